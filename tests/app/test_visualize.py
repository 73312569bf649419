import numpy as np

from mapt.app.visualize import contact_sheet


def test_a_contact_sheet_holds_every_picture() -> None:
    pictures = [np.full((50, 100, 3), 40 * i, np.uint8) for i in range(3)]
    sheet = contact_sheet(pictures, ["a", "b", "c"], columns=2, width=100)
    assert sheet.shape == (2 * 54, 2 * 104, 3)
    assert (
        sheet[20, 50].tolist() == [0, 0, 0]
        and sheet[20, 154].tolist() == [40] * 3
        and sheet[74, 50].tolist() == [80] * 3
    )
