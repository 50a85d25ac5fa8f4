"""What the documents link to, name and claim is so, and they stay short."""

import functools
import re

import pytest
from conftest import REPOSITORY, run_python
from test_configs import EXPERIMENTS, ROWS

LOG = REPOSITORY / 'docs' / 'experiment_log.md'
README = REPOSITORY / 'README.md'
INDEX = REPOSITORY / 'configs' / 'README.md'
RESULTS = REPOSITORY / 'docs' / 'results.md'
PAGES = [p for where in ('*', 'docs/*', 'checkpoints/*') for p in REPOSITORY.glob(f'{where}.md')]
PAGES.append(INDEX)
# a changelog's entry is one sentence each; the log keeps its tables, and the names of then
PROSE = [page for page in PAGES if page.name != 'CHANGELOG.md']
TOOLS = [path.stem for path in (REPOSITORY / 'tools').glob('*.py') if path.stem != 'arguments']
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'pandas', 'matplotlib'}
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
    return [re.sub(r'\s# .*|^# .*', '', line) for line in shell.replace('\\\n', ' ').splitlines()]


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    plain = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).strip().lower()
    return re.sub(r'[^\w\- ]', '', plain).replace(' ', '-')


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\((?!http|mailto)([^)\s]+)\)', without_code(page)):
        path, _, anchor = target.partition('#')
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in map(slug, re.findall(r'^#+ (.*)$', without_code(file), re.MULTILINE)), target


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_tables_have_as_many_cells_as_columns(page):
    for table in re.findall(r'(?:^\|.*\n?)+', without_code(page), re.MULTILINE):
        (columns,) = {line.count('|') - line.count('\\|') - 1 for line in table.splitlines()}
        assert columns <= 6, table


@pytest.mark.parametrize('page', PROSE, ids=name)
def test_sentences_have_at_most_25_words(page):
    prose = ['' if re.match(r'\s*(\||#|<|!\[|\[!\[)', line) else line for line in without_code(page).splitlines()]
    items = '\n'.join(re.sub(r'^\s*([-*]|\d+\.)\s', '\n\n', line) for line in prose)
    for paragraph in re.split(r'\n\s*\n', re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', items)):
        for sentence in re.split(r'(?<=[.!?:])\s+', paragraph):
            assert len(sentence.split()) <= 25, sentence


def test_the_documents_stay_short():
    words = {page: len(text(page).split()) for page in PAGES}
    assert words[README] <= 900 and words[RESULTS] <= 1200
    assert len(re.findall(r'^\|[-| ]+\|$', text(RESULTS), re.MULTILINE)) <= 4
    assert sum(words[page] for page in REPOSITORY.glob('docs/*.md') if page != LOG) <= 12_000
    # the first screen: what it is, the commands, the answer
    assert text(README).split('\n## ')[0].count('\n') <= 40
    for card in REPOSITORY.glob('checkpoints/*.md'):
        assert text(card).count('\n') <= 25, card.name


def test_every_page_and_every_config_is_in_its_index():
    assert len(PAGES) >= 20
    index, listed = text(REPOSITORY / 'docs' / 'README.md'), {path: cells.split(' | ') for path, cells in ROWS}
    for page in REPOSITORY.glob('docs/*.md'):
        assert page.name == 'README.md' or f']({page.name})' in index, page.name
    assert set(listed) == {p.relative_to(INDEX.parent).as_posix() for p in INDEX.parent.rglob('*.py')}
    for path in (path.relative_to(INDEX.parent).as_posix() for path in EXPERIMENTS):
        assert all(listed[path]) and listed[path][2].endswith(f'python tools/train.py configs/{path}`')


def commands():
    """Each tool with its sub-command, and the flags that some page gives it."""
    found = {}
    for page in PAGES:
        # log and changelog say what was run then, with flags that may be gone
        inline = re.findall(r'`([^`\n]+)`', without_code(page)) if page in PROSE and page != LOG else []
        # what the tools share is no command
        for tool, rest in re.findall(r'tools/(?!arguments)(\w+)\.py(.*)', '\n'.join(shell_lines(page) + inline)):
            command = rest.split()[:1] if tool in ('analyze', 'benchmark', 'prepare_data') else []
            if all(re.fullmatch(r'[a-z-]+', word) for word in command):
                found.setdefault((tool, *command), set()).update(re.findall(r'(?<!\S)--?[a-z][a-z0-9-]*', rest))
    return found


@pytest.mark.parametrize('called', sorted({*commands(), *((tool,) for tool in TOOLS)}), ids=' '.join)
def test_help_has_the_flags_that_the_documents_give_and_imports_nothing_heavy(called):
    tool, *command = called
    done = run_python('-X', 'importtime', f'tools/{tool}.py', *command, '--help')
    imported = {line.split('|')[-1].strip().split('.')[0] for line in done.stderr.splitlines()}
    assert 'argparse' in imported and not imported & HEAVY
    # and nothing has a word to say
    assert all(line.startswith('import time:') for line in done.stderr.splitlines())
    for flag in commands().get(called, ()):
        assert re.search(rf'(?<![\w-]){flag}(?![\w-])', done.stdout), flag


def test_what_commands_and_the_code_name_exists():
    named = []
    for page in PAGES:
        own = {*THEIR_FILES.findall(text(page)), 'configs/mine.py'}
        paths = re.findall(r'(?<!\S)(?:configs|tools)/[\w/*]+\.py', '\n'.join(shell_lines(page)))
        named += [(name(page), path) for path in paths if path not in own]
    assert len(named) > 50
    for file in (p for folder in ('custom_modules', 'tools', 'configs') for p in REPOSITORY.rglob(f'{folder}/**/*.py')):
        named += [(name(file), path) for path in re.findall(r'docs/\w+\.(?:md|csv)', text(file))]
    assert not [each for each in named if not list(REPOSITORY.glob(each[1]))]


def test_the_answer_follows_from_the_counts():
    """The log's own lines, run: README and results say what they give."""
    code = re.findall(r'```python\n(.*?)```', text(LOG), re.DOTALL)[0]
    names = {}
    exec(code.split('for network in')[0].replace("'docs/", f"'{REPOSITORY}/docs/"), names)
    rows, networks, answer = names['rows'], names['NETWORKS'], names['answer']
    one = rows[rows.recipe == '40 epochs'].groupby(['network', 'images', 'seed']).size()
    assert set(one.unstack('images').renders) == {115} and set(one.unstack('images').photographs) == {16}
    assert one.groupby(['network', 'images']).size().min() >= 2
    # which a reader takes out of the public set
    assert set(text(REPOSITORY / 'docs' / 'renders_clean.txt').split()) == set(rows.image)
    for images, scores in (('renders', names['SCORES']), ('photographs', ['rock Dice'])):
        for score in scores:
            long = [(name, images, score, '200 epochs', 'baseline') for name in ('scratch', 'frozen', 'unfreeze', 'finetuned')]
            for asked in [*long, *((network, images, score) for network in networks[1:])]:
                assert answer(*asked) in text(RESULTS), asked
            for network in ('synthetic_frozen', 'synthetic'):
                assert answer(network, images, score, '200 epochs', 'baseline') in text(LOG), network
        for network in ('unet_backbone_frozen', 'finetuned_full_rate'):
            assert answer(network, images, 'rock Dice') in text(README), (network, images)
