"""Tables as people have them: what is refused, what is kept, and advice that is taken."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from priory.cli import main
from priory.data import Column, Columns, DataFormat, open_data, open_like, open_source
from priory.data.tables.fit_columns import MOST_CATEGORIES
from shell import QUICK, SAMPLES

pandas = pytest.importorskip("pandas")
N = 60
NUMBERS = [f"{value:.1f}" for value in np.random.default_rng(0).normal(20, 5, N)]


def write(path, separator=",", **columns) -> None:
    """Write columns of text as they are."""
    table = pandas.DataFrame({"x": np.arange(N) % 7, **columns})
    table.to_csv(path, index=False, sep=separator)


def refusal(path, options=None) -> str:
    with pytest.raises(ValueError, match="expected") as caught:
        open_source(path, options=options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def advice_in(message: str) -> dict:
    """Return the options that an error advises, as a shell would hand them on."""
    words = shlex.split(message[message.index("--data-options") :].rstrip("."))
    return json.loads(words[1])


ELSEWHERE = {
    "decimal comma": ["19,5", "20,25"],
    "decimal comma without a zero": [",5", "1,5"],
    "percentage": ["12%", "3.5 %"],
    "euros": ["€ 12", "13,50 €"],
    "dollars": ["$1,200.50", "-$3"],
    "currency by name": ["EUR 12", "13 EUR"],
    "thousands": ["1,234", "12,345"],
    "thousands with spaces": ["1 234", "12 345"],
    "thousands with apostrophes": ["1'234.5", "12'345.5"],
    "a typographic minus": ["\N{MINUS SIGN}5", "7"],
    "accounts": ["(1,234)", "1,234"],
    "date": ["2024-01-31", "2024-02-01"],
    "date with points": ["31.01.2024", "01.02.2024"],
    "date with slashes": ["1/31/2024", "2/1/24"],
    "date in words": ["31 Jan 2024", "Feb 1, 2024"],
    "date and time": ["2024-01-31T12:00:00Z", "2024-01-31 12:30"],
    "time": ["12:30", "1:45:10"],
    "month": ["2024-01", "2024-02"],
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_numbers_and_dates_in_other_formats_are_not_categories(kind, tmp_path):
    cells = [ELSEWHERE[kind][row % 2] for row in range(N)]
    write(tmp_path / "t.csv", ";", a=cells)
    message = refusal(tmp_path / "t.csv", {"separator": ";"})
    assert f"{cells[0]!r} in row 0" in message
    assert "column 'a' of t.csv" in message
    assert len(open_source(tmp_path / "t.csv", options=advice_in(message)).x) == N
    named = {"separator": ";", "categorical": ["a"]}  # whoever wants categories says so
    assert open_source(tmp_path / "t.csv", options=named).columns.columns[1].width == 2


@pytest.mark.parametrize(
    "cells",
    [["blue", "brown"], ["A-12", "B-13"], ["3rd", "4th"], [">5", "<=5"], ["1.2.3", "1.2.4"]],
)
def test_other_text_is_categories(cells, tmp_path):
    write(tmp_path / "t.csv", a=[cells[row % 2] for row in range(N)])
    column = open_source(tmp_path / "t.csv").columns.columns[1]
    assert sorted(column.categories) == sorted(cells)


def test_a_decimal_comma_is_read_where_it_is_asked_for(tmp_path):
    write(tmp_path / "t.csv", ";", a=[cell.replace(".", ",") for cell in NUMBERS])
    advice = advice_in(refusal(tmp_path / "t.csv", {"separator": ";"}))
    assert advice == {"separator": ";", "decimal": ","}
    source = open_source(tmp_path / "t.csv", options=advice)
    back = source.columns.decode(source.x)["a"]
    assert np.allclose(back, [float(cell) for cell in NUMBERS], atol=1e-5)
    further = open_like(source, tmp_path / "t.csv")  # written as the first
    assert further.x.equal(source.x)
    source.columns.decode(source.x).to_csv(tmp_path / "ours.csv", index=False)
    assert open_like(source, tmp_path / "ours.csv").x.allclose(source.x, atol=1e-6)
    write(tmp_path / "mixed.csv", ";", a=[f"{n},5" for n in range(N)], b=NUMBERS)
    message = refusal(tmp_path / "mixed.csv", advice)
    assert f"{NUMBERS[0]!r} in row 0, which is a number with a decimal point" in message


MIXED = {
    "booleans and none": ["True", "False", ""],
    "whole codes": ["3", "1", ""],
    "codes with decimals": ["1.0", "2.0", ""],
    "leading zeros": ["01", "1", ""],
    "numbers and words": ["1", "2", "many"],
    "words for none": ["None", "NA", "null"],
    "spaces": [" a", "a", "a "],
    "quotes": ['say "no"', "a,b", "c\nd"],
    "markup": ["[/x]", "[bold]", ":heart:"],
    "zeros and ones": ["0", "1", "true"],
}


@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("end", ["csv", "parquet", "npy"])
def test_categories_come_back_as_they_went(kind, end, tmp_path):
    from priory.commands.columns_file import write_table

    cells = [MIXED[kind][row % 3] for row in range(N)]
    write(tmp_path / "t.csv", a=cells)
    options = {"categorical": ["a"], "missing_categories": "own", "missing_words": []}
    source = open_source(tmp_path / "t.csv", options=options)
    back = source.columns.decode(source.x)
    assert [str(cell) for cell in back["a"]] == [cell or "missing" for cell in cells]
    write_table(tmp_path / f"ours.{end}", back)
    assert open_like(source, tmp_path / f"ours.{end}").x.allclose(source.x, atol=1e-6)
    again = Columns.from_json(json.loads(json.dumps(source.columns.to_json())))
    assert again == source.columns


def test_types_of_parquet_are_kept(tmp_path):
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame(
        {
            "x": np.arange(N) % 7,
            "code": pandas.array([1, 2, None] * 20, "Int64"),
            "share": np.float32([0.1, 0.25, np.nan] * 20),
            "flag": pandas.array([True, False, None] * 20, "boolean"),
            "zip": ["01", "1", "10"] * 20,
            "kind": pandas.Categorical(["u", "v", "v"] * 20, categories=["w", "v", "u"]),
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    options = {"categorical": ["code", "share", "zip"], "missing_categories": "own"}
    source = open_source(tmp_path / "t.parquet", options=options)
    assert source.columns.columns[-1].categories == ("v", "u")  # none that no row has
    back = source.columns.decode(source.x)
    for end in ("csv", "parquet"):
        path = tmp_path / f"ours.{end}"
        back.to_csv(path, index=False) if end == "csv" else back.to_parquet(path)
        assert open_like(source, path).x.allclose(source.x, atol=1e-6), end
    assert back["zip"].tolist() == table["zip"].tolist()


def test_words_for_missing_values_are_quoted_and_may_be_kept(tmp_path):
    write(tmp_path / "t.csv", a=["None", "NA", "b"] * 20)
    message = refusal(tmp_path / "t.csv")
    assert (
        "expected a value in column 'a' of t.csv, got 'None' in row 0, a word for a missing value"
        in message
    )
    assert open_source(tmp_path / "t.csv", options=advice_in(message)).x.shape == (N, 3)
    kept = open_source(tmp_path / "t.csv", options={"missing_words": []})
    assert kept.columns.columns[1].categories == ("NA", "None", "b")
    write(tmp_path / "t.csv", a=["?", "1", "2"] * 20)
    filled = {"missing_words": ["?"], "missing_numbers": "mean"}
    assert open_source(tmp_path / "t.csv", options=filled).columns.columns[1].fill is not None
    write(tmp_path / "t.csv", a=["nan", "1", "2"] * 20)
    assert "got 'nan' in row 0, a word for a missing value" in refusal(tmp_path / "t.csv")
    assert "expected a number" in refusal(tmp_path / "t.csv", {"missing_words": []})


@pytest.mark.parametrize("options", [{}, {"drop": ["a"]}])
def test_two_columns_of_one_name_are_refused(options, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,a\n1,2,3\n4,5,6\n7,8,8\n")
    assert "got 'a' twice" in refusal(tmp_path / "t.csv", options)


def test_every_error_of_a_table_is_reported_at_once_with_options_that_work(tmp_path):
    columns = {
        "id": [f"p{row}" for row in range(N)],
        "born": pandas.date_range("1990-01-01", periods=N).strftime("%d.%m.%Y"),
        "height": ["", *NUMBERS[1:]],
        "eyes": ["blue", "", "brown"] * 20,
        "odd": ["1", "many", "2"] * 20,
        "same": ["u"] * N,
        "big": ["9" * 400, *NUMBERS[1:]],
        "class": ["u", "", "v"] * 20,
        "split": ["train", "tset", "test"] * 20,
    }
    write(tmp_path / "t.csv", **columns)
    message = refusal(tmp_path / "t.csv", {"label": "class", "part": "split"})
    for name in columns:
        assert f"column {name!r}" in message, name
    assert len(message) < 2000  # no cell is quoted whole
    advice = advice_in(message)
    source = open_source(tmp_path / "t.csv", options=advice)
    assert source.columns.names == ("x", "height", "eyes", "odd")
    assert advice["missing_numbers"] == "mean"
    assert advice["missing_categories"] == "own"
    assert "label" not in advice


def test_one_message_for_a_further_table_too(tmp_path):
    write(tmp_path / "t.csv", a=NUMBERS, b=["u", "v", "w"] * 20)
    source = open_source(tmp_path / "t.csv")
    write(tmp_path / "o.csv", a=["many", *NUMBERS[1:]], b=["u", "v", "z"] * 20)
    with pytest.raises(
        ValueError, match=r"column 'a' .*'many' in row 0; .* column 'b' .* 'z' in row"
    ):
        open_like(source, tmp_path / "o.csv")


def test_a_table_without_a_remedy_gets_no_command(tmp_path):
    write(tmp_path / "t.csv")
    pandas.DataFrame({"a": ["u"] * 9, "b": ["v"] * 9}).to_csv(tmp_path / "t.csv", index=False)
    message = refusal(tmp_path / "t.csv")
    assert message.endswith("; correct this.")


def test_numbers_keep_their_kind(tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "children": rng.poisson(1.0, N),
        "income": np.exp(rng.normal(9, 1, N)),
        "share": rng.beta(0.5, 0.5, N),
        "percent": rng.uniform(0, 100, N).round(1),
        "change": np.tanh(rng.normal(size=N)),
        "year": rng.integers(1950, 2020, N),
        "filled": ["", *rng.integers(3, 9, N - 1)],
    }
    write(tmp_path / "t.csv", **columns)
    source = open_source(tmp_path / "t.csv", options={"missing_numbers": "mean"})
    names = source.columns.names
    assert source.columns.decode(source.x)["income"].to_numpy() == pytest.approx(columns["income"])
    wild = source.columns.decode(5 * torch.randn(500, len(names)))
    for name in names:
        numbers = pandas.to_numeric(pandas.read_csv(tmp_path / "t.csv")[name])
        assert wild[name].min() == numbers.min(), name
        assert wild[name].max() == numbers.max(), name
    for name in ("x", "children", "year", "filled"):
        assert wild[name].dtype == np.int64, name
    old = {**source.columns.to_json()["columns"][0]}
    for name in ("low", "high", "whole"):
        del old[name]  # as runs of before have it
    column = Column(**{**old, "categories": ()})
    assert column.decode(np.array([[100.0]]))[0] == pytest.approx(100 * column.scale + column.mean)


def test_samples_are_read_again_from_the_shell(tmp_path, monkeypatch, unrendered):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write(
        "t.csv",
        ";",
        flag=["True", "False", ""] * 20,
        price=[f"{value:.2f}".replace(".", ",") for value in rng.uniform(1, 9, N)],
        kind=["[/x]", "NA", "b"] * 20,
    )
    options = {"separator": ";", "decimal": ",", "missing_words": [], "label": "kind"}
    given = json.dumps({**options, "missing_categories": "own"})
    prior = ["--prior", "ConditionalMoGPrior", "--max-epochs", "1"]
    words = ["train", "--data", "t.csv", "--data-options", given, *QUICK, *SAMPLES, *prior]
    main([*words, "--out", "r"])
    for more in (["--per-component", "--label", "NA"], ["--label", "[/x]"], []):
        for end in ("csv", "parquet"):
            main(["sample", "r", "-n", "9", *more, "--out", f"s{len(more)}.{end}"])
        read = [
            DataFormat.read(Path("r")).open(f"s{len(more)}.{end}") for end in ("csv", "parquet")
        ]
        assert read[0].tensor().equal(read[1].tensor())
        assert read[0].labels.equal(read[1].labels)
    main(["encode", "r", "--data", "s0.csv", "--out", "z.npy"])
    assert np.load("z.npy").shape == (9, 3)
    samples = pandas.read_csv("s0.csv", keep_default_na=False)
    assert samples["x"].between(0, 6).all()
    assert samples["price"].between(1, 9).all()


def test_unexpected_cells_are_reported_in_a_sentence(tmp_path):
    for content in (
        "a,b\n1,2\n3," + "4" * 5000 + "\n5,6\n",
        'a,b\n1,"2\n3,4\n',
        "a,b\n1,2\x00\n3,4\n5,6\n",
        "a;b|c\n1;2\n3;4\n",
        "a,\n1,2\n2,3\n",
        "a,b\n\xff\xfe1,2\n",
    ):
        (tmp_path / "t.csv").write_bytes(content.encode("latin-1"))
        assert len(refusal(tmp_path / "t.csv")) < 500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": "ab"}, "a list of text for drop"),
        ({"label": 5}, "text for label"),
        ({"categorical": [3]}, "a list of text for categorical"),
        ({"missing_words": "NA"}, "a list of text for missing_words"),
        ({"decimal": "x"}, "decimal"),
        ({"separator": ";;"}, "one character for separator"),
        ({"separator": ".", "decimal": "."}, "a separator that differs"),
        ({"label": ["a"]}, "text for label"),
        ({"missing_numbers": True}, "missing_numbers"),
        ({"drop": {"a": 1}}, "a list of text for drop"),
    ],
)
def test_options_of_the_wrong_type_are_refused(options, message, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,ab\n1,2,3\n4,5,6\n7,8,8\n")
    assert message in refusal(tmp_path / "t.csv", options)


def test_wrong_descriptions_by_pandas_are_passed_over(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pandas.DataFrame({"a": np.arange(9.0), "b": np.arange(9) % 2}, index=range(3, 12))
    whole = arrow.Table.from_pandas(table[table["a"] >= 0].iloc[::-1])
    for wrong in (b'{"index_columns": ["nowhere"]}', b"{", b'{"index_columns": 3}', b"[]"):
        parquet.write_table(
            whole.replace_schema_metadata({b"pandas": wrong}), tmp_path / "t.parquet"
        )
        assert open_source(tmp_path / "t.parquet").columns.names == ("a", "b")


def test_many_wrong_columns_are_cut_short(tmp_path):
    many = {f"c{n}": [f"p{row}" for row in range(N)] for n in range(40)}
    write(tmp_path / "t.csv", **many)
    message = refusal(tmp_path / "t.csv")
    assert "; there are problems with 20 other columns too; correct this" in message
    assert len(open_data(tmp_path / "t.csv", options=advice_in(message)).train) == 48
    assert re.search(rf"at most {min(MOST_CATEGORIES, N - 1)} categories", message)
