"""Tests of the HTML pages: self-contained output, escaping, tables and galleries."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from detectory.visualization.html import GalleryItem, Page

IMAGE = np.zeros((20, 30, 3), np.uint8)


def images_of(page):
    encoded = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page.render())
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in encoded]


def test_a_page_does_not_refer_to_other_files():
    page = Page("t").cards({"AP": 1.0}).table(["a"], [[1]]).gallery([(IMAGE, "x")]).code("y").text("z")
    assert not re.search(r'(?:src|href)="(?!data:)', page.render())
    assert "@import" not in page.render()


def test_texts_are_escaped():
    html = Page("<b>").heading("<i>").table(["<u>"], [["<s>"]]).gallery([(IMAGE, '"<img>')]).render()
    assert not re.search(r"<(b|i|u|s|img)>(?!\d)", html)


def test_floats_have_two_decimals_and_sort_by_their_full_value():
    assert '<td data-value="61.23456">61.23</td>' in Page("t").table(["AP"], [[61.23456]]).render()


def test_none_and_nan_are_written_as_a_dash():
    assert Page("t").table(["a", "b"], [[None, float("nan")]]).render().count("<td>–</td>") == 2


@pytest.mark.parametrize(
    "image",
    [IMAGE, torch.from_numpy(IMAGE), Image.fromarray(IMAGE), IMAGE[:, :, 0], Image.new("RGBA", (30, 20))],
    ids=["array", "tensor", "PIL", "gray", "RGBA"],
)
def test_a_gallery_accepts_every_image_type(image):
    assert [image.size for image in images_of(Page("t").gallery([(image, "")]))] == [(30, 20)]


def test_a_gallery_shows_images_side_by_side_and_downscaled(tmp_path):
    Image.new("RGB", (400, 100)).save(tmp_path / "wide.png")
    page = Page("t", max_image_size=200).gallery([([tmp_path / "wide.png", IMAGE], "pair")])
    assert [image.size for image in images_of(page)] == [(200, 50), (30, 20)]


def test_a_gallery_has_sort_buttons_and_a_filter_menu():
    items = [GalleryItem(IMAGE, "a", {"score": 0.5, "type": t}) for t in ("miss", "miss", "false")]
    html = Page("t").gallery(items, sort_by=["score"], filter_by="type").render()
    assert '<button data-key="score">' in html
    assert re.findall("<option>(.*?)</option>", html) == ["miss", "false"]


def test_rejects_a_row_with_missing_cells():
    with pytest.raises(ValueError, match="row 1 has 1 cells for 2 columns"):
        Page("t").table(["a", "b"], [[1, 2], [3]])


def test_rejects_a_float_image():
    with pytest.raises(ValueError, match=r"source must be an \(H, W, 3\)"):
        Page("t").gallery([(np.zeros((4, 4, 3)), "")])


def test_save_creates_folders_and_leaves_no_partial_file(tmp_path):
    path = Page("t").save(tmp_path / "new" / "page.html")
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
