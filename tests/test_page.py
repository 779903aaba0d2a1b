"""The page in a real browser: what is shown where the pointer and the keyboard go."""

import shutil
from dataclasses import replace

import pytest
import torch

from priory.report import write_page
from report_cases import SUBJECT, X, make_entry, make_vae

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
EVIL = "<script>document.title = 'caught'</script>"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    labels = torch.arange(24) % 2
    curves = {"epoch": [0.0, 1.0, 2.0], "elbo": [-30.0, None, -20.0]}
    batches = torch.arange(24) // 12
    first = make_entry(make_vae("vamp"), X, "VampPrior", labels)
    first = replace(first, curves=curves, batches=batches)
    second = replace(make_entry(make_vae("standard", seed=1), X, EVIL, labels), curves=curves)
    subject = replace(SUBJECT, title=EVIL, label_names=("even", EVIL), batch_names=("one", EVIL))
    write_page(folder / "page.html", [first, second], subject)
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def faults():
    return []


@pytest.fixture
def page(browser, address, faults):
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    found = context.new_page()
    found.on("console", lambda said: said.type == "error" and faults.append(said.text))
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.on("request", lambda asked: asked.url.startswith("http") and faults.append(asked.url))
    found.goto(address)
    found.wait_for_selector("body[data-ready]")
    yield found
    context.close()
    assert faults == []


def cell(page) -> str:
    return page.get_attribute("#here", "data-cell")


def pixels(page, selector: str) -> list[int]:
    code = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    return page.eval_on_selector(f"{selector} canvas", code)


def test_the_pointer_decodes_and_chooses(page):
    assert page.title() == EVIL
    assert page.locator("#choose-model label").all_text_contents() == ["VampPrior", EVIL]
    page.locator("#choose-model input").nth(0).check()
    assert EVIL in page.locator("#legend").text_content()
    page.locator("#pad").scroll_into_view_if_needed()
    pad = page.locator("#pad").bounding_box()
    side = page.evaluate("plane().side")
    for column, row in ((2, 6), (7, 1)):
        x = pad["x"] + pad["width"] * (column + 0.5) / side
        page.mouse.move(x, pad["y"] + pad["height"] * (1 - (row + 0.5) / side))
        assert cell(page) == str(row * side + column)
        page.evaluate(
            "index => { const fresh = make('span', { id: 'fresh' }); document.body.append(fresh); "
            "draw(fresh, plane().grid, index); }",
            row * side + column,
        )
        assert pixels(page, "#here") == pixels(page, "#fresh")
        page.evaluate("document.getElementById('fresh').remove()")
    assert "nats" in page.locator("#where").text_content()

    assert page.locator("#component").is_hidden()
    x, y = page.evaluate("[plane().components[0][1], plane().components[1][1]]")
    low, high = page.evaluate("[plane().low, plane().high]")
    page.mouse.click(
        pad["x"] + pad["width"] * (x - low) / (high - low),
        pad["y"] + pad["height"] * (1 - (y - low) / (high - low)),
    )
    assert page.locator("#component").is_visible()
    chosen = page.evaluate("state.component")
    title = page.locator("#component-title").text_content()
    assert title == f"Component {chosen + 1} of 3 by weight"
    assert page.locator("#component-near canvas").count() == 4
    assert page.locator("#component-samples canvas").count() == 4


def test_the_keyboard_and_a_screen_reader_reach_the_same(page):
    page.locator("#choose-model input").nth(0).check()
    page.focus("#pad")
    before, side = int(cell(page)), page.evaluate("plane().side")
    column, row = before % side, before // side
    across, over = ("ArrowRight", 1) if column + 1 < side else ("ArrowLeft", -1)
    along, up = ("ArrowUp", side) if row + 1 < side else ("ArrowDown", -side)
    page.keyboard.press(across)
    assert int(cell(page)) == before + over
    page.keyboard.press(along)
    assert int(cell(page)) == before + over + up
    said = page.locator("#said")
    assert "log p(z)" in said.text_content()
    assert "class of the nearest test example" in said.text_content()
    page.keyboard.press("Enter")
    assert "Component" in said.text_content()
    button = page.locator("#component-list button").nth(2)
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("#component-title").text_content() == "Component 3 of 3 by weight"
    assert "weight" in button.get_attribute("aria-label")
    legend = page.locator("#legend button").nth(0)
    dots = "document.getElementById('plot').data.length"
    traces = page.evaluate(dots)
    legend.click()
    assert legend.get_attribute("aria-pressed") == "false"
    assert page.evaluate(dots) == traces - 1
    page.locator("#layers input[data-layer=components]").uncheck()
    assert page.evaluate(dots) == traces - 3
    page.locator("#choose-model input").nth(1).check()
    assert page.locator("#components").is_hidden()
    assert page.locator("#component").is_hidden()


def test_themes_sizes_and_paper(page):
    ink = "theme().ink"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{ink} !== '{light}'")
    page.wait_for_function("document.getElementById('plot').layout.xaxis.color === theme().muted")
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_function("document.getElementById('plot').layout.xaxis.color === '#444'")
    page.emulate_media(media="screen", color_scheme="light")
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_function("document.getElementById('plot').layout.width < 360")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#curves [data-curve=elbo] .legend text").count() >= 2


def test_the_map_is_coloured_by_class_or_by_batch(page):
    def legend() -> list[str]:
        return page.locator("#legend button").all_inner_texts()

    page.locator("#choose-model input").nth(0).check(force=True)
    assert legend() == ["even", EVIL]
    page.locator("#choose-colour input").nth(1).check(force=True)
    assert legend() == ["one", EVIL]
    assert "a symbol for each batch" in page.inner_text("#map-caption")
    names = page.evaluate("document.getElementById('plot').data.map((trace) => trace.name)")
    assert "one" in names
    page.locator("#choose-model input").nth(1).check(force=True)
    assert page.is_hidden("#choose-colour")
    assert legend() == ["even", EVIL]


def test_a_umap_is_drawn_where_there_is_one(page):
    assert page.is_hidden("#umap-figure")
    page.evaluate("""() => {
        model().umap = model().planes[0].points;
        redrawMap();
    }""")
    assert page.is_visible("#umap-figure")
    drawn = page.evaluate("document.getElementById('umap').data.map((trace) => trace.x.length)")
    assert sum(drawn) == 24
