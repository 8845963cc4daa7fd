"""Clusters of items: kept together in order, compared in pairs, and without a value when a part is missing."""

from gnomon.evaluation.items import Item, plain
from gnomon.evaluation.suites._clusters import by_condition, clusters, differences, less, whole


def item(id_: str, cluster: str, cue: str = "") -> Item:
    return Item(id=id_, cluster=cluster, prompt=plain("Which?"), groups={"cue": cue})


def test_clusters_keep_the_order_of_their_items() -> None:
    found = clusters([item("1", "b"), item("2", "a"), item("3", "b")])
    assert [[i.id for i in c] for c in found] == [["1", "3"], ["2"]]


def test_a_cluster_has_a_value_only_when_it_is_whole() -> None:
    pair = [item("1", "a"), item("2", "a")]
    assert whole(pair, [1.0, 0.5], min).value == 0.5
    assert whole(pair, [1.0, 0.5], min).item is pair[0]
    assert whole(pair, [1.0, None], min).value is None
    assert whole(pair, [1.0, 0.5], min, of=3).value is None


def test_a_difference_is_held_by_its_first_item_and_missing_when_either_is() -> None:
    pairs = [item(f"{cluster}{cue}", cluster, cue) for cluster in "cd" for cue in ("with", "without")]
    found = by_condition([*pairs, item("ewith", "e", "with"), item("fwithout", "f", "without")], "cue")
    known = {"cwith": 1.0, "cwithout": 0.25, "dwith": 1.0, "ewith": 0.5}
    values = differences(found, "with", "without", lambda i: known.get(i.id))
    assert [(v.item.id, v.value) for v in values] == [("cwith", 0.75), ("dwith", None), ("ewith", None)]
    assert less(0.0, 0.0) == 0.0
    assert less(0.0, None) is None
