"""Where things of a graph are, without a browser."""

from netspec.report.joined import End, Line, joined
from netspec.report.labels import placed
from netspec.report.layout import DRAWN, LINES, Drawing, layout
from netspec.report.listing import Edge, Listing, grouped
from netspec.report.measure import cut, width
from netspec.report.picture import svg


def listing(edges: list[Edge], nodes: tuple[str, ...] = ()) -> Listing:
    return Listing("t", ("a", "b"), lambda: [(e.tail, e.head) for e in edges], lambda: (), lambda: edges, nodes)


def lines(edges: list[Edge], nodes: tuple[str, ...] = ()) -> list[Line]:
    return joined(edges, grouped(listing(edges, nodes), edges))


def test_what_a_whole_group_has_is_one_line() -> None:
    edges = [Edge("a/x", "dns/d", "53"), Edge("a/y", "dns/d", "53"), Edge("a/x", "a/y", "80")]
    assert [(line.tail, line.head, line.rows) for line in lines(edges)] == [
        (End("a", True), End("dns/d"), (0, 1)),
        (End("a/x"), End("a/y"), (2,)),
    ]


def test_one_that_lacks_it_or_has_another_keeps_them_apart() -> None:
    edges = [Edge("a/x", "dns/d", "53"), Edge("a/y", "dns/d", "53")]
    assert len(lines(edges, nodes=("a/z",))) == 2
    assert len(lines([edges[0], Edge("a/y", "dns/d", "54")])) == 2
    assert len(lines([edges[0], Edge("a/y", "dns/d", "53", maybe=True)])) == 2


def test_two_groups_of_which_each_reaches_each() -> None:
    edges = [Edge(f"a/{i}", f"b/{j}", "all") for i in range(3) for j in range(2)]
    assert [(line.tail, line.head, line.rows) for line in lines(edges)] == [
        (End("a", True), End("b", True), (0, 1, 2, 3, 4, 5))
    ]


def test_within_a_group_nothing_is_joined() -> None:
    assert len(lines([Edge("a/x", "a/y", "80"), Edge("a/z", "a/y", "80"), Edge("a/y", "a/y", "80")])) == 3


def test_rows_that_are_equal_are_one_line_and_each_row_is_in_one() -> None:
    edges = [Edge("a/x", "b/y", "80"), Edge("a/x", "b/y", "80"), Edge("c", "d", "")]
    found = lines(edges)
    assert sorted(row for line in found for row in line.rows) == [0, 1, 2]
    assert len(found) == 2


def many(count: int, per: int) -> list[Edge]:
    """`count` groups of `per` nodes, each node to the same in the next few groups."""
    return [
        Edge(f"g{i}/n{k}", f"g{(i + step) % count}/n{(k + step) % per}", "80")
        for i in range(count)
        for k in range(per)
        for step in (1, 2, 3)
    ]


def shows(drawing: Drawing, edges: list[Edge]) -> None:
    """Every node is a card, and all lies within the picture."""
    assert {card.node for card in drawing.cards} == {n for e in edges for n in (e.tail, e.head)}
    for shape in (*drawing.boxes, *drawing.cards):
        assert shape.x >= 0 and shape.y >= 0
        assert shape.x + shape.width <= drawing.width and shape.y + shape.height <= drawing.height
    for path in drawing.paths:
        assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in path.points)


def test_a_small_graph_is_whole_and_a_large_one_is_summed_up() -> None:
    small, large = many(4, 2), many(10, 20)
    assert len(lines(small)) <= LINES < len(lines(large))
    whole, summary = layout(listing(small)), layout(listing(large))
    shows(whole, small)
    shows(summary, large)
    assert not whole.summary and summary.summary
    # Each row between two boxes is in one line; ten boxes have three pairs each.
    assert sorted(row for path in summary.paths for row in path.rows) == list(range(len(large)))
    assert len(summary.paths) == 30
    assert {path.title for path in summary.paths} >= {"g0 -> g1: 20 rows"}
    assert "20 rows" in {path.label for path in summary.paths}


def test_a_box_that_all_have_rows_with_says_so_instead_of_a_line_to_each() -> None:
    edges = [Edge(f"g{i}/n{k}", "dns/d", f"port {k}") for i in range(20) for k in range(4)]
    drawing = layout(listing(edges))
    notes = {box.group: box.note for box in drawing.boxes}
    assert (notes["dns"], drawing.paths) == ("80 rows to or from 20 boxes", ())
    assert "that is said in it" in drawing.caption


def test_pairs_beyond_reason_are_said_and_not_drawn() -> None:
    edges = [Edge(f"g{i}/n", f"g{j}/n", f"{i}-{j}") for i in range(20) for j in range(20) if i != j]
    drawing = layout(listing(edges))
    assert drawing.paths == () and "190 pairs of boxes" in drawing.caption and DRAWN < 190
    shows(drawing, edges)


def test_the_same_rows_are_the_same_picture_and_none_is_one_too() -> None:
    edges = many(6, 3)
    assert svg(listing(edges)) == svg(listing(edges))
    assert "<svg" in svg(listing([]))


def test_a_label_is_on_its_line_and_clear_of_the_rest() -> None:
    line = [(0.0, 0.0), (200.0, 0.0)]
    (first, second, third) = placed([(line, None, 60), (line, None, 60), (line, None, 190)], [(0, -9, 20, 9)])
    assert first == (100.0, 0.0)
    assert second is not None and abs(second[0] - 100) >= 60 and second[1] == 0
    assert third is None
    assert placed([(line, (50.0, 40.0), 20)], []) == [(50.0, 0.0)]


def test_widths_are_those_of_the_widest_usual_font() -> None:
    assert width("ii", 10) == 5.6 and width("mm", 10) > width("ii", 10, bold=True)
    assert width("\N{CJK UNIFIED IDEOGRAPH-4E00}", 12) == 12
    assert cut("abcdef", 4) == "abc\N{HORIZONTAL ELLIPSIS}" and cut("abcd", 4) == "abcd"
