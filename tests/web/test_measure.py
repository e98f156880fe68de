# SPDX-License-Identifier: MIT
"""Lessons, quizzes and measurements of strength on the page, by keys, buttons and the wearable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import expect

from tenuto.cues.quiz import CORE, scan_window_ms
from tenuto.cues.results import QuizResult
from tenuto.cues.scores import Trial
from tenuto.history.cue_results import CueResult, new_id
from tenuto.simulator.perception import Perceiver
from tenuto_core.vocab import CUES, HOLD_END, HOLD_START
from tests.patience import until
from tests.sample_routines import vocabulary
from tests.web.rig import DESKTOP, IN_A_BROWSER, PHONE, key_of, open_page, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

    from tests.web.rig import Served

pytestmark = IN_A_BROWSER


TWO = {CUES[number]: vocabulary().pattern(number) for number in (HOLD_START, HOLD_END)}


def quiz(trial: Trial, truth: dict[str, float] | None = None) -> CueResult:
    return CueResult(
        result_id=new_id(),
        person=None if truth else "anna",
        device="serial:1",
        wearable="wrist",
        is_simulated=bool(truth),
        utc_ms=1_800_000_000_000,
        result=QuizResult(
            cues=tuple(TWO),
            patterns=tuple(TWO.values()),
            trials=(trial,),
            truth=truth or {},
        ),
    )


async def kept(one: Served) -> list[CueResult]:
    return await one.host.store.results()


async def test_a_quiz_is_answered_by_keys_and_leads_to_its_result(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        context = await opened.new_context(viewport=PHONE)
        page = await open_page(context, one.link())
        await page.goto(f"{one.address}learn")
        await page.get_by_role("button", name="Quiz").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Which cue was it?")
        quiz = one.host.measurings["wrist"]
        # The answers to the first two cues: right by its key, wrong by a button.
        for number in range(2):
            await until(lambda: quiz._quiz.waits)  # type: ignore[attr-defined]
            felt = CORE.index(quiz._quiz._felt[-1][0])  # type: ignore[attr-defined]
            if number == 0:
                await page.keyboard.press(str(felt + 1))
            else:
                await page.locator(f"[data-key='{(felt + 1) % 5 + 1}']").click()
            await until(lambda: not quiz._quiz.waits)  # type: ignore[attr-defined]
        await page.get_by_role("button", name="End").click()
        await expect(page.locator("dd").first).to_contain_text("1 of 2")
        assert page.errors == []  # type: ignore[attr-defined]
        (result,) = await kept(one)
        assert (result.person, result.wearable) == ("anna", "wrist")
        assert await one.host.store.sessions() == []
        await page.get_by_role("link", name="All results").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.locator("tbody a").click()
        await page.get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("No result yet")).to_be_visible()


async def test_the_button_of_the_wearable_answers_while_the_page_shows_names(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        context = await opened.new_context(viewport=DESKTOP)
        page = await open_page(context, one.link())
        await page.goto(f"{one.address}learn")
        await page.get_by_label("Answer by").select_option("button")
        await page.get_by_role("button", name="Quiz").click()
        await page.locator("[data-choice='1'][data-on]").wait_for()
        button = one.host.drivers.simulated_button("wrist")
        assert button is not None
        from_ms, until_ms = scan_window_ms(1)
        button.press(80, after_ms=(until_ms - from_ms) // 2 - 300)
        quiz = one.host.measurings["wrist"]
        await until(lambda: quiz._quiz._answers)  # type: ignore[attr-defined]
        assert quiz._quiz._answers[0][0] == CORE[1]  # type: ignore[attr-defined]
        await page.get_by_role("button", name="End").click()
        await page.wait_for_url("**/learn/results/*")
        (result,) = await kept(one)
        assert isinstance(result.result, QuizResult)
        assert result.result.answered_by == "button"


async def test_a_simulated_person_is_shown_beside_the_truth_and_only_to_who_may_see(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        result, truth = quiz(Trial("hold_end", "hold_end", 900)), Perceiver(lapse=0.0)
        simulated = quiz(Trial("hold_end", "hold_end", 900), truth.parameters())
        for each in (result, simulated):
            await one.host.store.cue_results.add(each)
        async with one.visitor("ben") as client:
            async with client.get(f"/learn/results/{result.result_id}") as answer:
                assert answer.status == 404
            async with client.get("/learn/results") as answer:
                assert result.result_id not in await answer.text()
            headers = {"X-Tenuto-Key": await key_of(client), "Accept": "application/json"}
            form = {"what": "quiz", "wearable": "wrist"}
            async with client.post("/learn/begin", headers=headers, data=form) as answer:
                assert "none of yours" in (await answer.json())["text"]
            for form in (
                {"what": "dance", "wearable": "ankle"},
                {"what": "quiz", "wearable": "ankle", "per_cue": "1000"},
                {"what": "quiz", "wearable": "ankle", "condition": "<b>"},
            ):
                async with client.post("/learn/begin", headers=headers, data=form) as answer:
                    assert answer.status == 422
        context = await opened.new_context(viewport=PHONE)
        page = await open_page(context, one.link())
        await page.goto(f"{one.address}learn/results")
        await expect(page.get_by_role("img", name="Right over days")).to_be_visible()
        await page.goto(f"{one.address}learn/results/{result.result_id}")
        await expect(page.get_by_role("img", name="What was taken for what")).to_be_visible()
        assert await page.get_by_text("in truth").count() == 0
        await page.goto(f"{one.address}learn/results/{simulated.result_id}")
        right = truth.right(TWO)
        await expect(page.get_by_text(f"{100 * right:.1f} %")).to_be_visible()
        for name in ("What was taken for what", "In truth, for this simulated person"):
            await expect(page.get_by_role("img", name=name)).to_be_visible()
        for path in ("results", f"results/{simulated.result_id}"):
            await page.goto(f"{one.address}learn/{path}")
            found = await Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.errors == []  # type: ignore[attr-defined]


async def test_a_lesson_names_each_cue_and_strength_takes_any_key(
    tmp_path: Path, opened: Browser
) -> None:
    async with served(tmp_path) as one:
        context = await opened.new_context(viewport=PHONE)
        page = await open_page(context, one.link("anna"))
        await page.goto(f"{one.address}learn")
        await page.get_by_role("button", name="Lesson").click()
        await expect(page.locator("#cue")).to_contain_text("go and stay")
        await page.keyboard.press("Escape")
        await page.wait_for_url("**/learn/results/*")
        await page.goto(f"{one.address}learn")
        await page.get_by_role("button", name="Strength").click()
        await until(lambda: "wrist" in one.host.measurings)
        strength = one.host.measurings["wrist"]
        await until(lambda: strength._is_given)  # type: ignore[attr-defined]
        await page.keyboard.press("x")
        await until(lambda: strength.count == 1)  # type: ignore[attr-defined]
        assert strength._trials[0][1] is True  # type: ignore[attr-defined]
        await page.keyboard.press("Escape")
        await page.wait_for_url("**/learn/results/*")
        await expect(page.get_by_text("Felt where nothing buzzed")).to_be_visible()
        assert {type(one.result).__name__ for one in await kept(one)} == {
            "LessonResult",
            "StrengthResult",
        }
