"""A browser with the page open, in a thread of its own, and what becomes of it in the long run."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

LOOK_S = 5.0
HEAP_MIB = "Math.round(performance.memory.usedJSHeapSize / 1048576)"
NODES = "document.querySelectorAll('*').length"


class Onlooker:
    """Keeps the Train tab open; notes the browser's memory, its nodes, and every error."""

    def __init__(self, url: str) -> None:
        self.heap_mib: list[int] = []
        self.nodes: list[int] = []
        self.errors: list[str] = []
        self._url = url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the browser."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium if Path(chromium).exists() else None,
                args=["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"],
            )
            page = browser.new_page()
            self._listen(page)
            page.goto(self._url)
            page.get_by_role("tab", name="Train").click()
            while not self._ended.is_set():
                page.wait_for_timeout(LOOK_S * 1000)  # and not a sleep: its events must be heard
                self.heap_mib.append(int(page.evaluate(HEAP_MIB)))
                self.nodes.append(int(page.evaluate(NODES)))
            browser.close()

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("crash", lambda _: self.errors.append("the page crashed"))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
