"""The fixture of the form tests."""

from __future__ import annotations

import pytest

from tests.browser.forms.page import FormPage
from tests.browser.site import Site
from tests.browser.tab import Tab


@pytest.fixture
def page(site: Site, tab: Tab) -> FormPage:
    """A page with forms, in each of the engines."""
    return FormPage(tab, site)
