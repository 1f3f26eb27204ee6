from detectory.core.suggestions import nearest, nearest_names


def test_nearest_ignores_case():
    assert nearest("resnet", ["ResNet", "FPN"]) == "did you mean 'ResNet'?"


def test_nearest_lists_known_names_when_none_is_close():
    assert nearest("x", ["b", "a"]) == "known: a, b"


def test_nearest_counts_the_names_it_does_not_list():
    assert nearest("x", [f"name{index:02}" for index in range(15)]).endswith("name11 and 3 more")


def test_nearest_reports_an_empty_list():
    assert nearest("x", []) == "none is known"


def test_nearest_names_are_best_first():
    assert nearest_names("in_feature", ["out_features", "in_features"]) == ["in_features", "out_features"]
