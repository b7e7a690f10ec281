"""Turn the errors of the hub's client into one sentence, and silence its warnings."""

from collections.abc import Iterator
from contextlib import contextmanager

from seq2seq.errors import UserError
from seq2seq.system.console import console

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


@contextmanager
def as_user_errors(what: str) -> Iterator[None]:
    """Raise errors of the hub, the network and its cache as `UserError`.

    The progress bars of the client are shown on a terminal only.

    Args:
        what: the model, for the message.
    """
    from huggingface_hub import errors, logging
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    logging.set_verbosity_error()
    if not console.is_terminal:
        disable_progress_bars()
    try:
        yield
    except errors.GatedRepoError as error:
        raise UserError(
            f"{what} can be downloaded only after its conditions are accepted on its page on the "
            f"hub; then {LOGIN}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"{what}: there is no such model on the hub, or it is private (check the spelling; for "
            f"a private model, {LOGIN})"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{what}: the model has no such branch, tag or commit") from error
    except errors.LocalTokenNotFoundError as error:
        raise UserError(f"{what}: you are not logged in to the hub: {LOGIN}") from error
    except errors.LocalEntryNotFoundError as error:
        raise UserError(
            f"{what} is not, or not completely, in the local cache, and the hub cannot be reached: "
            "check the network, and that HF_HUB_OFFLINE is not set"
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise UserError(f"{what}: the hub is not used, because HF_HUB_OFFLINE is set") from error
    except errors.HfHubHTTPError as error:
        raise UserError(f"{what}: {refusal(error.response.status_code)}") from error
    except errors.FileMetadataError as error:
        raise UserError(f"{what}: the answer of the hub cannot be read ({error})") from error
    except (OSError, RuntimeError) as error:  # the client raises both for a broken connection
        raise UserError(
            f"{what}: the transfer failed ({first_line(error.__cause__ or error)}); try again"
        ) from error
    except Exception as error:
        if not type(error).__module__.startswith(("httpx", "httpcore")):
            raise
        raise UserError(
            f"{what}: the hub cannot be reached ({first_line(error)}); check the network"
        ) from error
    finally:
        enable_progress_bars()


def refusal(status: int) -> str:
    """Return what an HTTP status of the hub means for the user."""
    match status:
        case 401:
            return f"the hub has no, or not the right, token from you: {LOGIN}"
        case 403:
            return "your token does not permit this: it needs write access to this name"
        case 429:
            return "the hub answers that there were too many requests: wait some minutes"
        case _ if status >= 500:
            return f"the hub does not work at the moment (status {status}): try again later"
        case _:
            return f"the hub refused the request (status {status})"


def first_line(error: BaseException) -> str:
    """Return the first line of a message, or the kind of an error without one."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
