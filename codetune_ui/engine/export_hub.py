"""An export as a repository on the Hub, private unless the person said otherwise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from codetune_ui.core.errors import MachineError
from codetune_ui.core.export import Request


def check_token() -> None:
    """Raise `MachineError` when this machine is not logged in to the Hub."""
    from huggingface_hub import get_token

    if not get_token():
        raise MachineError(
            "An upload needs a token of the Hub, and this machine has none.",
            "Run 'hf auth login', or set HF_TOKEN.",
        )


def upload(folder: Path, request: Request, names: Sequence[str]) -> str:
    """Upload the named files of a folder, nothing else; return the repository's address.

    A repository that is there and public is refused unless `request.public`. Raises
    `MachineError` with the Hub's own words.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        url = api.create_repo(request.repository, private=not request.public, exist_ok=True)
        if not request.public and not api.model_info(request.repository).private:
            raise MachineError(
                f"{request.repository} is there already, and everybody can read it.",
                "Choose another name, or add --public.",
            )
        api.upload_folder(
            repo_id=request.repository,
            folder_path=folder,
            allow_patterns=list(names),
            commit_message=f"CodeTune UI: {request.format} of {request.run}",
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise MachineError(
            f"The upload to {request.repository} failed: {first}", "Try again later."
        ) from error
    return str(url)
