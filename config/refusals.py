"""How a validator refuses a value in words of its own.

Knows pydantic's way of carrying an error; nothing of files, lines or the settings themselves.
"""

from pydantic_core import PydanticCustomError


def refusal(message: str, hint: str = "") -> PydanticCustomError:
    """Make the error that a validator raises: what is wrong, and what to write instead.

    The text travels in the context, since pydantic fills braces in a template.
    """
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})
