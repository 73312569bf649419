"""The paper's numbers and the check of their composites."""

from mapt.bench.report.paper_tables import TABLES, Published, mismatches


def test_what_does_not_equal_its_parts_is_found_and_nothing_else() -> None:
    found = {
        (table.number, row.system, m.score): round(m.parts, 2)
        for table in TABLES
        for row in table.rows
        for m in mismatches(row, table.decimals)
    }
    known = {  # the misprints of docs and tests, by hand
        ("I", "Video-kMaX", "PAT"): 61.73,
        ("I", "Mask2former (siai)", "STQ"): 52.13,
        ("IV", "MAPT motion", "STQ"): 67.79,
        ("IV", "APSNet, MaskProp", "STQ"): 65.82,
        ("VI", "masks", "PAT"): 59.08,
    }
    assert known.items() <= found.items()
    further = {
        ("I", "TubeFormer-DeepLab", "STQ"),
        ("I", "Video-kMaX", "STQ"),
        ("VI", "boxes", "STQ"),
    }
    again = {("V", "backbone features (0.38 M, 3.50 G)", "STQ")}  # Table IV's MaskProp once more
    assert set(found) == set(known) | further | again


def test_rounding_is_no_mismatch() -> None:
    assert mismatches(Published("whole numbers", None, None, None, 62.0, 56.0, 70.0), 2) == []
    assert mismatches(Published("exact", 48.0, 40.0, 60.0, 50.0, 25.0, 100.0), 2) == []
    (wrong,) = mismatches(Published("off", 48.05, 40.0, 60.0, 50.0, 25.0, 100.0), 2)
    assert (wrong.score, wrong.printed, wrong.parts) == ("PAT", 48.05, 48.0)


def test_every_table_of_scores_is_there() -> None:
    rows = {table.number: len(table.rows) for table in TABLES}
    assert rows == {"I": 10, "II": 5, "III": 4, "IV": 7, "V": 3, "VI": 6}
