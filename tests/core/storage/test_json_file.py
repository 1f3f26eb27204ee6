import pickle

import pytest

from detectory.core.storage import InvalidJSONError, read_json


def test_reads_json_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [1]}')
    assert read_json(tmp_path / "a.json") == {"a": [1]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_reads_other_unicode_encodings(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes('{"name": "café"}'.encode(encoding))
    assert read_json(tmp_path / "a.json") == {"name": "café"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": [1] "b": 2}', r"a.json: not valid JSON: .* at line 1, column 11"),
        (b'{"a":\n [1, ]}', "a.json: not valid JSON: trailing comma at line 2, column 4"),
        (b'{"a": 1,\n\n}', "a.json: not valid JSON: trailing comma at line 1, column 8"),
        (b"\xff", "a.json: not UTF-8: byte 0xff at offset 0"),
        (b"[" * 200_000, "a.json: nested too deeply"),
    ],
    ids=["syntax", "comma in a list", "comma in an object", "encoding", "depth"],
)
def test_rejects_invalid_json(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InvalidJSONError, match=message):
        read_json(tmp_path / "a.json")


def test_the_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(InvalidJSONError("a.json", "nested too deeply")))
    assert (error.path, error.reason, str(error)) == ("a.json", "nested too deeply", "a.json: nested too deeply")
