"""The tool that executes and cleans notebooks, with notebooks of a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from .checking import flaws
from .comparing import comparable, said
from .executing import WIDGET_VIEW, NotebookError, cleaned, executed, main, read, text_of

VIEW = {"model_id": "0123", "version_major": 2, "version_minor": 0}


def notebook_of(*sources: str) -> NotebookNode:
    cells = [new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(sources, start=1)]
    return new_notebook(cells=cells)


def with_outputs(*outputs: NotebookNode) -> NotebookNode:
    return new_notebook(cells=[new_code_cell("pass", id="only", execution_count=1, outputs=list(outputs))])


def shown(**data: object) -> NotebookNode:
    mimes = {"html": "text/html", "plain": "text/plain", "png": "image/png", "widget": WIDGET_VIEW}
    return new_output("display_data", data={mimes[name]: value for name, value in data.items()})


def outputs_of(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.outputs]


async def test_a_notebook_runs_in_a_folder_with_its_data_alone_without_the_environment_of_who_runs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    notebook = await executed(
        notebook_of(
            "import os, pathlib\n[name for name in os.environ if name.startswith('OPENAI')], os.listdir()",
            "import memoryos_integrations\nprint(pathlib.Path(memoryos_integrations.__file__).parents[1].samefile("
            f"{str(Path(__file__).parents[2])!r}))",
        )
    )

    assert said(notebook) == [["([], ['nora.jsonl'])"], ["True\n"]]


async def test_executing_leaves_no_trace_of_this_machine_and_keeps_ids_and_counts() -> None:
    notebook = await executed(
        notebook_of(
            "import sys\nfrom tqdm.auto import tqdm\nfor _ in tqdm(range(3)):\n    print('at', _)",
            "from tqdm import tqdm\nfor _ in tqdm(range(3)):\n    pass\n",
            "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        )
    )

    assert [(cell.id, cell.execution_count, cell.metadata) for cell in notebook.cells] == [
        ("cell-1", 1, {}),
        ("cell-2", 2, {}),
        ("cell-3", 3, {}),
    ]
    assert said(notebook) == [["at 0\nat 1\nat 2\n"], [], ["<Figure size 640x480 with 1 Axes>"]]
    assert sorted(outputs_of(notebook)[-1].data) == ["image/png", "text/plain"]
    assert sorted(notebook.metadata) == ["kernelspec", "language_info"]
    assert "version" not in notebook.metadata.language_info
    assert flaws(notebook) == []
    assert text_of(cleaned(notebook)) == text_of(notebook)


async def test_a_failing_cell_is_reported_with_its_error() -> None:
    with pytest.raises(NotebookError, match=r"cell 2: ZeroDivisionError: division by zero") as raised:
        await executed(notebook_of("a = 0", "1 / a  # as it says"))

    assert str(raised.value).endswith("\n\n1 / a  # as it says")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("while True:\n    pass", "cell 1: it took longer than a cell may\n\nwhile True:\n    pass"),
        ("import os\nos._exit(1)", "cell 1: the kernel died\n\nimport os\nos._exit(1)"),
    ],
    ids=["too slow", "dead"],
)
async def test_a_kernel_that_gives_no_answer_is_reported(source: str, told: str) -> None:
    with pytest.raises(NotebookError) as raised:
        await executed(notebook_of(source), timeout=3)

    assert str(raised.value) == told


def test_the_command_writes_back_what_ran_and_leaves_what_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = notebook_of("6 * 7"), notebook_of("raise KeyError('lost')")
    for name, notebook in (("bad", bad), ("good", good)):
        (tmp_path / f"{name}.ipynb").write_text(text_of(notebook), encoding="utf-8")

    status = main([], folder=tmp_path)

    lines = capsys.readouterr().out.splitlines()
    assert status == 1
    assert lines[0] == "bad.ipynb: failed, cell 1: KeyError: 'lost'"
    assert lines[-1].startswith("good.ipynb: ")
    assert read(tmp_path / "bad.ipynb") == bad
    assert said(read(tmp_path / "good.ipynb")) == [["42"]]


def test_the_command_executes_only_what_it_is_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.ipynb").write_text(text_of(notebook_of("1")), encoding="utf-8")

    assert main(["notebooks/two.ipynb"], folder=tmp_path) == 0
    assert [said(read(tmp_path / f"{name}.ipynb")) for name in ("one", "two")] == [[[]], [["1"]]]


def test_the_command_refuses_a_name_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["nowhere"], folder=tmp_path)

    assert raised.value.code == 2
    assert capsys.readouterr().err.endswith("error: no notebook is called nowhere\n")


def test_a_widget_keeps_what_is_static_about_it() -> None:
    notebook = with_outputs(
        shown(html="<b>1</b>", plain="Explorer()", widget=VIEW),
        shown(plain="  0%|          | 0/3 [00:00<?, ?it/s]", widget=VIEW),
        shown(png="aGk=", widget=VIEW),
    )

    assert [output.data for output in outputs_of(cleaned(notebook))] == [
        {"text/html": "<b>1</b>", "text/plain": "Explorer()"},
        {"image/png": "aGk="},
    ]


def test_bars_go_and_warnings_stay() -> None:
    notebook = with_outputs(
        new_output("stream", name="stderr", text="\r  0%|          | 0/3 [00:00<?, ?it/s]"),
        new_output("stream", name="stdout", text="one\n"),
        new_output("stream", name="stderr", text="\r100%|███| 3/3 [00:00<00:00, 90.1it/s]\nWarning: old\n"),
        new_output("stream", name="stderr", text="3page [00:01,  2.00s/page]\n"),
        new_output("stream", name="stdout", text="two\n"),
        new_output("stream", name="stderr", text="\n"),
        new_output("stream", name="stdout", text="three\n"),
    )

    assert [(output.name, output.text) for output in outputs_of(cleaned(notebook))] == [
        ("stdout", "one\n"),
        ("stderr", "Warning: old\n"),
        ("stdout", "two\nthree\n"),
    ]


def test_cleaning_takes_what_differs_from_run_to_run() -> None:
    notebook = with_outputs()
    notebook.cells[0].metadata = NotebookNode(execution={"iopub.status.busy": "2024"}, tags=["keep"])
    notebook.metadata = NotebookNode(
        widgets={WIDGET_VIEW: {}}, language_info=NotebookNode(name="python", version="3.11.7"), title="Kept"
    )

    after = cleaned(notebook)

    assert after.cells[0].metadata == {"tags": ["keep"]}
    assert after.metadata == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "title": "Kept",
    }
    assert "version" in notebook.metadata.language_info


def test_every_flaw_of_a_saved_notebook_is_found() -> None:
    notebook = with_outputs(
        new_output("error", ename="KeyError", evalue="'lost'", traceback=["in /tmp/ipykernel_1/2.py"]),
        new_output("stream", name="stderr", text="Warning\n"),
        new_output("stream", name="stdout", text="saved to\n/home/ada/memory\n"),
        shown(plain="HBox()", widget=VIEW),
        shown(html='<img src="data:image/png;base64,aGk/tmp/aGk=">', plain="a picture", png="aGk/tmp/aGk="),
    )
    notebook.cells += [
        new_markdown_cell("See `/work/notes/1`, as told by https://example.org/home/page."),
        new_code_cell("plot_heat(memory)", execution_count=3),
    ]

    assert flaws(notebook) == [
        "cell 1 failed with KeyError",
        "cell 1 shows a path of a machine",
        "cell 1 wrote to stderr",
        "cell 1 shows a path of a machine",
        "cell 1 shows only a widget",
        "cell 2 names a path of a machine",
        "cell 3 has the count 3 instead of 2",
    ]
    del notebook.cells[0].outputs[-1]
    assert flaws(notebook)[-1] == "it plots, and holds no picture"


def test_only_what_cannot_be_the_same_is_not_compared() -> None:
    assert comparable("<M at 0x7f2a10> took 12.5 ms, 3 pages in 2 s") == "<M at 0x0> took 0 ms, 3 pages in 0 ms"
    assert comparable("heat 0.75 at 2024-03-01 12:00, 12 segments") == "heat 0.75 at 2024-03-01 12:00, 12 segments"
