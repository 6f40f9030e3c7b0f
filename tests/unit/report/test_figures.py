"""Figures: labels apart, legible in grey, the same scores give the same bytes."""

import itertools

import polars as pl
import pytest

from made_up_course import course_scores
from made_up_lines import SHARES, line
from made_up_serve import serve_scores
from safegrid.config.methods import METHODS
from safegrid.core.errors import DataError
from safegrid.report.alignment import figure_1, our_bars
from safegrid.report.curves import FIGURES, curves
from safegrid.report.frontier import frontier
from safegrid.report.heat import slice_map
from safegrid.report.partial import PAPERS
from safegrid.report.published import read_published
from safegrid.report.style import COLUMN, SMALL, look, save
from safegrid.report.trade_off import NO_DOTS, trade_off
from score_tables import change, score

HEAD = "paper,place,item,model,metric,unit,value,source,benchmark,n,defect\n"
TRADE_OFFS = [("safety", "capability"), ("safe_and_coherent", "benign_requests_lost")]


@pytest.fixture(scope="module", params=TRADE_OFFS, ids="-".join)
def plot(request, scores):
    return trade_off(scores, *request.param)


@pytest.fixture(scope="module")
def few(scores):
    """Scores of four models: what is drawn in a moment."""
    return scores.filter(pl.col("recipe").is_in(["none", "dpo", "nca", "orpo"]))


# A reward model is asked for nothing.
ANSWERING = [method.title for method in METHODS.values() if method.answers]


def boxes(axes):
    return {text.get_text(): text.get_window_extent() for text in axes.texts}


def test_every_model_has_one_label_and_none_covers_another_or_leaves_the_plot(plot):
    assert plot.get_size_inches()[0] == pytest.approx(COLUMN)
    (axes,) = plot.axes
    assert min(text.get_fontsize() for text in axes.texts) >= SMALL
    frame, found = axes.get_window_extent(), boxes(axes)
    assert found.keys() == {"none", *ANSWERING}
    for name, box in found.items():
        assert frame.contains(box.x0, box.y0), name
        assert frame.contains(box.x1, box.y1), name
    for (one, first), (two, second) in itertools.combinations(found.items(), 2):
        assert not first.overlaps(second), f"{one} covers {two}"


def test_a_method_and_its_doses_look_the_same_in_every_figure():
    assert len({look(name, []).marker for name in METHODS}) == len(METHODS)
    assert look("nca", ["a", "b"]) == look("nca", [])
    assert look("nca@10", ["nca@10", "dpo"]) == look("nca", [])
    assert look("a", ["b", "a"]) == look("a", ["a", "b"])
    assert look("a", ["a", "b"]) != look("b", ["a", "b"])
    assert look("a@5", ["a@5", "b"]) == look("a", ["a", "b"])


def test_the_front_is_filled_and_the_rest_is_hollow(plot):
    (axes,) = plot.axes
    marks = [line for line in axes.lines if line.get_marker() not in ("None", None)]
    faces = [line.get_markerfacecolor() for line in marks]
    assert 0 < faces.count("white") < len(faces) == 13


def test_a_model_without_a_score_is_left_out(few):
    blank = change(few, {"recipe": "nca"}, value=None)
    (axes,) = trade_off(blank, "safety", "capability").axes
    assert set(boxes(axes)) == {"none", "DPO", "ORPO"}


def test_two_bases_get_a_panel_each(few):
    other = few.with_columns(base=pl.lit("other-base"))
    figure = trade_off(pl.concat([few, other]), "safety", "capability")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["mini-base", "other-base"]


@pytest.mark.parametrize("nothing", ["all", "capability"])
def test_figures_of_a_study_without_those_scores_say_so(few, nothing):
    gone = few.clear() if nothing == "all" else few.filter(pl.col("metric") != nothing)
    axes = trade_off(gone, "safety", "capability").axes[0]
    (said,) = boxes(axes)
    assert said.startswith(f"{NO_DOTS}:\nsafe answers to harmful requests")
    assert not axes.axison
    assert slice_map("attacks", few.clear()).axes


def drawn(name, few, papers):
    """Draw a figure of each kind."""
    if name == "trade_off":
        return trade_off(few, "safety", "capability")
    if name == "frontier":
        return frontier(line("nca", SHARES["nca"]), "refused", "lost")
    made = course_scores() if name == "corr_curves" else serve_scores(full=False)
    number = "2407.16637" if name == "corr_curves" else "2412.00074"
    return PAPERS[number][1][name](made, papers[number])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trade_off", "frontier", "corr_curves", "figure_8"])
def test_the_same_scores_give_the_same_bytes(name, few, papers, tmp_path):
    for folder in ("one", "two"):
        save(drawn(name, few, papers), tmp_path / folder, "f")
    for kind in ("pdf", "png", "svg"):
        first, second = (tmp_path / f / f"f.{kind}" for f in ("one", "two"))
        assert first.read_bytes() == second.read_bytes(), kind


def test_heat_maps_print_every_number_and_mark_blanks(scores):
    blank = {"recipe": "dpo", "slice": "attack=jailbreak"}
    (axes,) = slice_map("attacks", change(scores, blank, value=None)).axes
    printed = [text.get_text() for text in axes.texts]
    assert len(printed) == 4 * 13
    assert printed.count("\N{EN DASH}") == 1


def test_macro_categories_stand_above_the_micro_ones(few):
    macro, macro_attacked, micro, _ = slice_map("categories", few).axes
    named = [label.get_text() for label in macro.get_yticklabels()]
    assert named == [f"{n} (macro)" for n in ("crime", "hate", "self harm", "weapon")]
    assert len(micro.get_yticklabels()) == 19
    assert len(macro.texts) == len(macro_attacked.texts) == 4 * 4
    above, below = (axes.get_window_extent() for axes in (macro, micro))
    assert above.y1 > below.y1
    assert above.height / 4 == pytest.approx(below.height / 19, rel=0.05)
    titles = [axes.get_title() for axes in (macro, macro_attacked, micro)]
    assert titles == ["ALERT", "Adversarial ALERT", ""]


def test_a_benchmark_without_macro_categories_keeps_its_names(few):
    alone = pl.col("slice").str.starts_with("macro=") & (pl.col("benchmark") == "alert")
    macro, macro_attacked, micro, _ = slice_map("categories", few.filter(~alone)).axes
    assert not macro.axison
    heads = [axes.get_title() for axes in (macro, macro_attacked, micro)]
    assert heads == ["", "Adversarial ALERT", "ALERT"]


def test_curves_have_a_panel_for_each_recipe_in_print_order(runs):
    figure = curves(runs, *FIGURES["curves_likelihoods"])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ANSWERING
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["chosen answers", "rejected answers"]
    assert all(len(axes.lines) == 2 for axes in figure.axes)


def test_seeds_of_a_recipe_share_its_panel(runs):
    one = runs.filter(pl.col("subject").str.contains("/nca/"))
    again = one.with_columns(pl.col("subject").str.replace("seed0", "seed1"))
    figure = curves(pl.concat([one, again]), *FIGURES["curves_loss"])
    assert [len(axes.lines) for axes in figure.axes] == [2, 0, 0, 0]


def test_published_bars_stand_above_ours_which_are_hatched(scores, papers):
    theirs, ours = figure_1(scores, papers["2409.07772"]).axes
    assert theirs.get_yticklabels()[-1].get_text() == "Safe Falcon 11B"
    assert (len(theirs.patches), len(ours.patches)) == (11, 13)
    assert all(bar.get_hatch() for bar in ours.patches)
    assert not any(bar.get_hatch() for bar in theirs.patches)


def test_our_bars_are_the_global_scores(scores):
    bars = our_bars(scores)
    row = score(scores, recipe="nca", benchmark="global", metric="safety")
    assert bars["NCA"].at == pytest.approx(100 * row["value"])
    assert bars["NCA"].low < bars["NCA"].at < bars["NCA"].high
    # The published bars are of whole trainings.
    dose = scores.filter(recipe="nca").with_columns(recipe=pl.lit("nca@10"))
    assert our_bars(pl.concat([scores, dose])) == our_bars(scores)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paper,item\n1,2\n", "columns"),
        (f"{HEAD}a,b,c,none,d,percent,,,,,\n", r":2: empty \['source'\]; .* says why"),
        (f"{HEAD}a,b,c,,d,percent,high,s,,,\n", "not readable"),
        (f"{HEAD}a,b,c,,d,percent,1,s,,,odd copied\n", r":2: defect \['odd'\]; expec"),
    ],
)
def test_published_files_that_are_not_whole_are_refused(tmp_path, text, message):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_published(path)
