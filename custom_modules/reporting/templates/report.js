'use strict';
// the table: a click on a heading sorts by its column, a second one turns the order round
const table = document.getElementById('results');
if (table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent;
    return text.trim() === '' ? null : isNaN(text) ? text.trim() : Number(text);
  };
  const compare = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b)));
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const first = column === 0 ? 'ascending' : 'descending';
      const second = column === 0 ? 'descending' : 'ascending';
      const order = head.getAttribute('aria-sort') === first ? second : first;
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', order);
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => {
        // what has no value comes last, either way
        if (a === null || b === null) return (a === null) - (b === null);
        return order === 'ascending' ? compare(a, b) : compare(b, a);
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// the pictures: one image at a time, by button, thumbnail or arrow key; without this script all are there
const samples = [...document.querySelectorAll('.sample')];
if (samples.length > 1) {
  const thumbnails = [...document.querySelectorAll('.thumbnail')];
  let current = 0;
  const show = (index) => {
    current = (index + samples.length) % samples.length;
    samples.forEach((sample, i) => { sample.hidden = i !== current; });
    thumbnails.forEach((thumbnail, i) => thumbnail.setAttribute('aria-current', String(i === current)));
    document.getElementById('position').textContent = `${current + 1} of ${samples.length}`;
  };
  document.getElementById('previous').addEventListener('click', () => show(current - 1));
  document.getElementById('next').addEventListener('click', () => show(current + 1));
  thumbnails.forEach((thumbnail, i) => thumbnail.addEventListener('click', () => show(i)));
  document.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest('.scroll')) return;
    if (event.key === 'ArrowLeft') show(current - 1);
    if (event.key === 'ArrowRight') show(current + 1);
  });
  document.querySelector('.steps').hidden = false;
  show(0);
}
