"""What the documents link to is there."""

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
