"""Rich text comes back through a sanitizer that others maintain, or as plain text: never as it lay in storage."""

from __future__ import annotations

import json

import pytest

from tests.browser.forms.page import BEGIN, PURIFIED, PURIFY, FormPage

PART = '<div contenteditable data-stash="n" id="n">text</div>'
HOSTILE = """<p>one <b>bold</b><br>two</p><p>three</p><button formaction="java\tscript:window.ran=1">button</button>
<svg><a><animate attributeName="href" values="javascript:window.ran=1"/><text>svg</text></a></svg>
<meta http-equiv="refresh" content="0;url=/other"><style>body { display: none }</style>
<link rel="stylesheet" href="/held.css"><script>window.ran = 1</script><iframe srcdoc="frame"></iframe>
<object data="/other"></object><embed src="/other"><a href="java\nscript:window.ran=1">a</a>
<img src="x:" onerror="window.ran=1"><i onclick="window.ran=1">i</i>"""
DANGER = """script, iframe, object, embed, meta, style, link, animate, base, [onclick], [onerror], [formaction],
a[href*=script]"""
NO_NATIVE = "delete Element.prototype.setHTML;"
SPY = """
const native = Element.prototype.setHTML;
window.native = [];
if (native) Element.prototype.setHTML = function (...given) { window.native.push(given.length); native.apply(this, given); };
"""


def stash(page: FormPage, html: str) -> None:
    """Let storage hold this HTML as what the user wrote."""
    page.open(PART)
    page.type("x", into="#n")
    page.run(
        """
        forms.flush();
        forms.stop();
        for (const [key, value] of Object.entries(sessionStorage))
          sessionStorage.setItem(key, value.replace(/"mine":\\[[^\\]]*\\]/, () => `"mine":[${arguments[0]}]`));
        """,
        json.dumps(html),
    )
    assert "animate" in page.evaluate("JSON.stringify({ ...sessionStorage })") or html != HOSTILE


def is_harmless(page: FormPage) -> None:
    """Nothing that could do anything is in the part, and nothing has done anything."""
    assert page.evaluate("[...n.querySelectorAll(arguments[0])].map((e) => e.outerHTML)", DANGER) == []
    assert page.evaluate("[window.ran, location.pathname, frames.length]") == [None, "/", 0]
    assert page.evaluate("n.textContent.includes('bold') && n.textContent.includes('three')")


@pytest.mark.parametrize("native", [SPY, SPY + NO_NATIVE], ids=["beside-the-browsers", "alone"])
def test_handed_in(page: FormPage, native: str) -> None:
    """A sanitizer that the page hands in is what is used, whatever the browser has; it may keep more than that does."""
    stash(page, HOSTILE + '<u class="kept">u</u>')
    page.open(PART, script=native + PURIFIED)
    is_harmless(page)
    assert page.evaluate("[n.querySelector('b').textContent, n.querySelector('.kept').textContent]") == [
        "bold",
        "u",
    ]
    assert page.evaluate("window.native") == []
    assert page.told() == [["f", "n", "restored", ""]]


def test_the_browsers(page: FormPage) -> None:
    """Where the browser has a sanitizer, it is used as it is set up by itself; with WebKit, which has none, it is text."""
    stash(page, HOSTILE)
    page.open(PART, script=SPY + BEGIN)
    page.wait_for("n.textContent.includes('bold')")
    is_harmless(page)
    has = page.browser.engine != "webkit"
    assert page.evaluate("window.native") == ([1] if has else [])
    assert page.evaluate("n.querySelector('b') !== null") == has


def test_text(page: FormPage) -> None:
    """With no sanitizer at all, the text comes back, line by line, once all scripts of the page have run."""
    stash(page, HOSTILE)
    page.open(PART, script=NO_NATIVE + BEGIN + "window.early = n.textContent")
    page.wait_for("n.textContent.includes('bold')")
    is_harmless(page)
    assert page.evaluate("window.early") == "text"
    assert page.evaluate("n.innerText.split('\\n').slice(0, 3)") == ["one bold", "two", "three"]
    assert page.evaluate("[...new Set([...n.querySelectorAll('*')].map((e) => e.localName))]") == ["br"]
    assert page.told() == [["f", "n", "skipped", "no sanitizer yet"], ["f", "n", "restored", ""]]


def test_handed_in_after_the_start(page: FormPage) -> None:
    """A page's script, which runs after the forms were looked at, hands its sanitizer in early enough."""
    stash(page, HOSTILE)
    script = f"{PURIFY} {NO_NATIVE} {BEGIN} window.early = n.textContent; setSanitizer(purify);"
    page.open(PART, script=script)
    is_harmless(page)
    assert page.evaluate("[window.early, n.querySelector('b').textContent]") == ["text", "bold"]


def test_a_sanitizer_that_returns_nodes(page: FormPage) -> None:
    """A sanitizer may return nodes: where Trusted Types are asked for, no string may become HTML."""
    stash(page, HOSTILE)
    page.open(PART, script=PURIFIED.replace("FORBID_TAGS", "RETURN_DOM_FRAGMENT: true, FORBID_TAGS"))
    is_harmless(page)
    assert page.evaluate("n.querySelector('b').textContent") == "bold"


def test_a_sanitizer_that_raises(page: FormPage) -> None:
    """Where the sanitizer raises, nothing of the stash comes into the page, and the page is told."""
    stash(page, HOSTILE)
    page.open(PART, script=f'{PURIFY} setSanitizer(() => {{ throw new Error("broken"); }}); {BEGIN}')
    assert page.evaluate("n.innerHTML") == "text"
    assert page.told() == [["f", "n", "skipped", "error"]]
    assert set(page.errors()) == {"broken"}


def test_what_the_page_rendered(page: FormPage) -> None:
    """A reset brings back what the page had rendered as it was: that needs no sanitizer."""
    html = '<div contenteditable data-stash="n" id="n"><b class="x">text</b></div><button type="reset">r</button>'
    page.open(html)
    page.type("y", into="#n")
    page.click("button")
    page.wait_for("n.innerHTML === '<b class=\"x\">text</b>'")


def test_what_stood_in_the_page(page: FormPage) -> None:
    """A part that is rendered anew gets back what the user had in it, formatting and all: that was never in storage."""
    html = '<div contenteditable data-stash="n" id="n">text</div><input name="b">'
    page.open(html, script=NO_NATIVE + BEGIN)
    page.run("n.innerHTML = '<b class=x>bold</b>'; n.dispatchEvent(new Event('input', { bubbles: true }))")
    page.run("document.forms[0].innerHTML = arguments[0]", html)
    page.wait_for("n.innerHTML === '<b class=\"x\">bold</b>'")
