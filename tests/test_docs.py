"""What the documents link to, name and claim is so, and they stay short."""

import functools
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY
from test_configs import EXPERIMENTS, ROWS

LOG = REPOSITORY / 'docs' / 'experiment_log.md'
README = REPOSITORY / 'README.md'
INDEX = REPOSITORY / 'configs' / 'README.md'
PAGES = [p for where in ('*', 'docs/*', 'checkpoints/*') for p in REPOSITORY.glob(f'{where}.md')]
PAGES.append(INDEX)
# the log keeps what was written; a changelog's entry is one sentence each
PLAIN = [page for page in PAGES if page != LOG and page.name != 'CHANGELOG.md']
# what a reader writes, as the page says
THEIR_FILES = re.compile(r'^\s*# (configs/\S+\.py)', re.MULTILINE)


def name(page):
    return page.relative_to(REPOSITORY).as_posix()


@functools.cache
def text(page):
    return page.read_text(encoding='utf-8')


def without_code(page):
    return re.sub(r'```.*?```', '\n\n', text(page), flags=re.DOTALL)


def shell_lines(page):
    """The lines of the blocks without a language, a backslash joining two, without comments."""
    blocks = re.findall(r'^```(\w*)\n(.*?)^```$', text(page), re.DOTALL | re.MULTILINE)
    shell = '\n'.join(block for language, block in blocks if language in ('', 'sh', 'bash'))
    lines = shell.replace('\\\n', ' ').splitlines()
    return [re.sub(r'\s# .*|^# .*', '', line) for line in lines]


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    plain = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).strip().lower()
    return re.sub(r'[^\w\- ]', '', plain).replace(' ', '-')


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)\s]+)\)', without_code(page)):
        if target.startswith(('http', 'mailto')):
            continue
        path, _, anchor = target.partition('#')
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r'^#+ (.*)$', without_code(file), re.MULTILINE)
            assert anchor in map(slug, headings), target


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_tables_have_as_many_cells_as_columns(page):
    columns = None
    for line in without_code(page).splitlines():
        cells = line.count('|') - line.count('\\|') - 1 if line.startswith('|') else None
        if cells is not None and columns is not None:
            assert cells == columns, line
        if page in PLAIN and cells is not None:
            assert cells <= 6, line
        columns = cells


@pytest.mark.parametrize('page', PLAIN, ids=name)
def test_sentences_have_at_most_25_words(page):
    lines = without_code(page).splitlines()
    prose = ['' if re.match(r'\s*(\||#|<|!\[|\[!\[)', line) else line for line in lines]
    items = '\n'.join(re.sub(r'^\s*([-*]|\d+\.)\s', '\n\n', line) for line in prose)
    for paragraph in re.split(r'\n\s*\n', re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', items)):
        for sentence in re.split(r'(?<=[.!?:])\s+', paragraph):
            assert len(sentence.split()) <= 25, sentence


def test_the_documents_stay_short():
    def words(page):
        return len(text(page).split())

    assert words(README) <= 900
    results = REPOSITORY / 'docs' / 'results.md'
    assert words(results) <= 1200
    assert len(re.findall(r'^\|[-| ]+\|$', text(results), re.MULTILINE)) <= 4
    docs = [page for page in REPOSITORY.glob('docs/*.md') if page != LOG]
    assert sum(map(words, docs)) <= 12_000
    # the first screen: what it is, the commands, the answer
    assert text(README).split('\n## ')[0].count('\n') <= 40
    for card in REPOSITORY.glob('checkpoints/*.md'):
        assert text(card).count('\n') <= 25, card.name


def test_every_page_is_in_the_index():
    assert len(PAGES) >= 20
    index = text(REPOSITORY / 'docs' / 'README.md')
    for page in REPOSITORY.glob('docs/*.md'):
        assert page.name == 'README.md' or f']({page.name})' in index, page.name


def test_the_index_of_configs_is_complete():
    listed = {path: cells.split(' | ') for path, cells in ROWS}
    folder = INDEX.parent
    assert set(listed) == {p.relative_to(folder).as_posix() for p in folder.rglob('*.py')}
    for path in EXPERIMENTS:
        what, parameters, command, score = listed[path.relative_to(folder).as_posix()]
        assert command.endswith(f'python tools/train.py configs/{path.relative_to(folder)}`')
        assert what and parameters and score


@functools.cache
def help_of(tool, command):
    given = [sys.executable, REPOSITORY / 'tools' / f'{tool}.py', *command, '--help']
    run = subprocess.run(given, capture_output=True, text=True)
    assert run.returncode == 0, (tool, command, run.stderr)
    return run.stdout


def commands():
    """Each tool with its sub-command, and the flags that some page gives it, with these pages."""
    found = {}
    for page in PAGES:
        # log and changelog say what was run then, with flags that may be gone
        inline = re.findall(r'`([^`\n]+)`', without_code(page)) if page in PLAIN else []
        for line in shell_lines(page) + inline:
            match = re.search(r'tools/(\w+)\.py(.*)', line)
            if not match:
                continue
            tool, rest = match.groups()
            if tool == 'arguments':
                continue  # what the others share, no command
            words = rest.split()
            has_commands = tool in ('analyze', 'benchmark', 'prepare_data')
            command = tuple(words[:1]) if has_commands and words and words[0].isascii() else ()
            if command and not re.fullmatch(r'[a-z-]+', command[0]):
                continue
            flags = found.setdefault((tool, command), {})
            for flag in re.findall(r'(?<!\S)--?[a-z][a-z0-9-]*', rest):
                flags.setdefault(flag, set()).add(name(page))
    return found


@pytest.mark.parametrize('called', sorted(commands()), ids=lambda c: ' '.join((c[0], *c[1])))
def test_commands_have_the_flags_that_the_documents_give(called):
    # a tool that runs a tool, such as a sweep's report, has flags of both in one line
    given = help_of(*called)
    for flag, pages in commands()[called].items():
        assert re.search(rf'(?<![\w-]){flag}(?![\w-])', given), (flag, pages)


def test_commands_survive_a_second_run():
    """A pattern would name two checkpoints then."""
    for page in PLAIN:
        for line in shell_lines(page):
            assert not re.search(r'[*?]\S*\.pth', line), (name(page), line)


def test_configs_and_tools_in_commands_exist():
    seen = 0
    for page in PAGES:
        own = {*THEIR_FILES.findall(text(page)), 'configs/mine.py'}
        for line in shell_lines(page):
            for path in re.findall(r'(?<!\S)(?:configs|tools)/[\w/*]+\.py', line):
                if path not in own:
                    assert list(REPOSITORY.glob(path)), (name(page), path)
                    seen += 1
    assert seen > 50


def test_pages_that_the_code_names_exist():
    named = {}
    for folder in ('custom_modules', 'tools', 'configs'):
        for path in (REPOSITORY / folder).rglob('*.py'):
            for page in re.findall(r'docs/\w+\.(?:md|csv)', path.read_text(encoding='utf-8')):
                named[page] = path
    assert named
    for page, path in named.items():
        assert (REPOSITORY / page).exists(), (page, path)


def test_the_answer_follows_from_the_counts():
    """The log's own lines, run: README and results say what they give."""
    code = re.findall(r'```python\n(.*?)```', text(LOG), re.DOTALL)[0]
    names = {}
    exec(code.split('for network in')[0].replace("'docs/", f"'{REPOSITORY}/docs/"), names)
    rows, networks = names['rows'], names['NETWORKS']
    one = rows[rows.recipe == '40 epochs'].groupby(['network', 'images', 'seed']).size()
    assert set(one.unstack('images').renders) == {115} and set(one.unstack('images').photographs) == {16}
    assert one.groupby(['network', 'images']).size().min() >= 2
    results = REPOSITORY / 'docs' / 'results.md'
    for images, scores in (('renders', names['SCORES']), ('photographs', ['rock Dice'])):
        for score in scores:
            for network in ('scratch', 'frozen', 'finetuned'):
                claim = names['answer'](network, images, score, '200 epochs', 'baseline')
                assert claim in text(results), (network, images, claim)
    for network in networks[1:]:
        for images, scores in (('renders', names['SCORES']), ('photographs', ['rock Dice'])):
            for score in scores:
                claim = names['answer'](network, images, score)
                assert claim in text(results), (network, images, claim)
                if score == 'rock Dice' and network in ('unet_backbone_frozen', 'finetuned_full_rate'):
                    assert claim in text(README), (network, images, claim)
