"""Passwords and tokens in texts: the one place that knows their forms.

All that leaves a command passes here: what it prints (`tagging.output`), its errors (`tagging.errors`), and the texts
that it hands to the store (`tagging.tracking`).
"""

from __future__ import annotations

import re

STARS = "***"
# up to the last @ before a blank, since a password may hold any other sign; no login stands before the path of a file
_LOGIN = re.compile(r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]*)://(?!/)(?P<login>\S+)@", re.IGNORECASE)
_BARE_LOGIN = re.compile(r"(?<!\S)(?P<user>[^\s:/@]+):(?!/)\S+@(?=[a-z0-9\[])", re.IGNORECASE)
_SECRET = r"(?:pass\w*|pwd|token|secret|(?:api|access|private)?[_-]?key(?:[_-]?id)?|signature|sig|auth\w*|credentials?)"
# brackets, quotes and full stops behind a value belong to the sentence around it
_VALUE = r"[^\s&;#]+?(?=[\"'`)\]}>,:.]*(?:[\s&;#]|$))"
_QUERY = re.compile(rf"([?&;](?:[\w.-]*[_.-]|ssl)?{_SECRET}=){_VALUE}", re.IGNORECASE)
_PAIR = re.compile(
    r"((?<![\w.-])(?:\w+_)?(?:password|passwd|pwd|token|secret|api_?key|access_?key)[\"']?\s*[=:]\s*[\"']?)" + _VALUE,
    re.IGNORECASE,
)
_HEADER = re.compile(r"(authorization[\"']?\s*[=:]\s*[\"']?(?:(?:basic|bearer)\s+)?)" + _VALUE, re.IGNORECASE)


def showable(text: str) -> str:
    """Return a text as it may leave the process: stars for passwords and tokens, escapes for what UTF-8 cannot hold.

    Of a web address all that stands before the @ is hidden, a token too; of a database's only the password.
    """
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if "@" in text:
        text = _LOGIN.sub(_hidden_login, text)
        text = _BARE_LOGIN.sub(rf"\g<user>:{STARS}@", text)
    if "=" in text or ":" in text:
        for form in (_QUERY, _PAIR, _HEADER):
            text = form.sub(rf"\g<1>{STARS}", text)
    return text


def _hidden_login(found: re.Match[str]) -> str:
    scheme = found["scheme"]
    if scheme.lower().endswith(("http", "https")):
        return f"{scheme}://{STARS}@"
    user, colon, _ = found["login"].partition(":")
    return f"{scheme}://{user}:{STARS}@" if colon else found[0]
