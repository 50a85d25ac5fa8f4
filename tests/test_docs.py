"""What the documents link to is there, and what they claim follows from the counts beside them."""

import re

import pytest
from conftest import REPOSITORY

PAGES = [
    *REPOSITORY.glob('*.md'),
    *REPOSITORY.glob('docs/*.md'),
    *REPOSITORY.glob('checkpoints/*.md'),
]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r'\]\(([^)\s]+)\)', page.read_text(encoding='utf-8'))
    for target in targets:
        if not target.startswith(('http', '#', 'mailto')):
            assert (page.parent / target.split('#')[0]).exists(), target


def test_the_pages_are_found():
    assert len(PAGES) >= 10


def test_the_answer_follows_from_the_counts():
    """The page's own lines, run: README and page say what they give."""
    page = REPOSITORY / 'docs' / 'does_a_classifier_encoder_help.md'
    code = re.findall(r'```python\n(.*?)```', page.read_text(encoding='utf-8'), re.DOTALL)[0]
    names = {}
    exec(code.split('for images in')[0].replace("'docs/", f"'{REPOSITORY}/docs/"), names)
    assert names['rows'].groupby(['variant', 'images']).size().eq(18 * 23).sum() == 3
    for images in ('renders', 'photographs'):
        for variant in ('unet_backbone_frozen', 'finetuned_full_rate'):
            sides = [names['runs'](side, images) for side in (variant, 'unet_baseline')]
            found = names['PairedDifference'].of(*sides, names['dice'])
            claim = f'{found.difference:+.1f} ({found.low:+.1f} to {found.high:+.1f})'
            for text in (page, REPOSITORY / 'README.md'):
                assert claim in text.read_text(encoding='utf-8'), (text.name, claim)
