from common.rating.line import Line, line_of


def test_a_line_takes_each_column_of_its_row_but_the_time_its_lead_was_created() -> None:
    row = range(len(Line._fields))

    assert line_of(row) == (*row[:-1], None)
