"""Writes the Parquet files of the tests with pyarrow, each with the records it holds as JSON lines beside it.

Usage (pyarrow 23.0.0): python make_parquet.py
Deterministic: a second run writes the same bytes.
"""

import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).parent / "parquet"


def write(name, columns, types, read=None, **options):
    """`read`: what a reader gets, where that is not all columns."""
    table = pa.table({key: pa.array(values, types[key]) for key, values in columns.items()})
    pq.write_table(table, FOLDER / f"{name}.parquet", **options)
    rows = [{key: row[key] for key in read or columns} for row in table.to_pylist()]
    (FOLDER / f"{name}.jsonl").write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows))


def main():
    FOLDER.mkdir(exist_ok=True)
    n = 700  # more rows than are read at once
    texts = [("good " if i % 3 else "bad ") * (1 + i % 5) for i in range(n)]
    labels = [i % 2 for i in range(n)]
    write("sentences", {"sentence": texts, "label": labels, "idx": list(range(n))},
          {"sentence": pa.string(), "label": pa.int64(), "idx": pa.int32()}, row_group_size=300, compression="snappy")
    write("strings", {"text": texts[:9], "text_pair": [None, *texts[9:17]], "label": (["NEGATIVE", "POSITIVE"] * 5)[:9]},
          {"text": pa.large_string(), "text_pair": pa.string_view(),
           "label": pa.dictionary(pa.int8(), pa.string())}, compression="zstd")
    write("words", {"id": ["a", "b"], "tokens": [["good", "bad"], ["bad"]], "ner_tags": [[1, 0], [2]], "image": [b"\xff", b"\x00"]},
          {"id": pa.string(), "tokens": pa.list_(pa.string()), "ner_tags": pa.large_list(pa.int64()), "image": pa.binary()},
          read=["id", "tokens", "ner_tags"], compression="gzip")
    answers = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
    write("questions", {"question": ["good", "bad"], "context": ["bad good", "good bad"],
                        "answers": [{"text": ["good"], "answer_start": [4]}, {"text": [], "answer_start": []}]},
          {"question": pa.string(), "context": pa.string(), "answers": answers}, compression="none")
    write("numbers", {"text": ["good"] * 3, "score": [0.5, 4.25, -1.0], "flag": [True, None, False], "small": [1, 255, None],
                      "when": [0, 1, 2]},
          {"text": pa.string(), "score": pa.float32(), "flag": pa.bool_(), "small": pa.uint8(), "when": pa.timestamp("s")},
          read=["text", "score", "flag", "small"])
    # A list of two million nothings, in less than a kilobyte; and nothing that can be read.
    items = 2_000_000
    endless = pa.ListArray.from_arrays(pa.array([0, items], pa.int32()), pa.nulls(items))
    pq.write_table(pa.table({"text": ["good"], "tokens": endless}), FOLDER / "endless_list.parquet", data_page_size=1 << 30)
    pq.write_table(pa.table({"image": [b"\xff"] * 2}), FOLDER / "pictures.parquet")


if __name__ == "__main__":
    main()
