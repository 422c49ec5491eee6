"""The forms in which passwords and tokens stand in texts, and what is no secret."""

from __future__ import annotations

import sys

import pytest

from tagging.cli import main
from tagging.commandline import exit_status
from tagging.errors import UserError
from tagging.masking import showable

FORMS = {
    "http://me:secret@host:5000": "http://***@host:5000",
    "https://secret@host/mlflow": "https://***@host/mlflow",
    "http://me:se/cret@host": "http://***@host",
    "http://me:se?cr#et@host/a": "http://***@host/a",
    "http://me:se@cret@host": "http://***@host",
    "git+https://secret:x-oauth-basic@github.com/a/b": "git+https://***@github.com/a/b",
    "postgresql://me:secret@host/db": "postgresql://me:***@host/db",
    "mysql+pymysql://me:se/cr:et@host/db": "mysql+pymysql://me:***@host/db",
    "redis://:secret@host": "redis://:***@host",
    "me:se/cret@host": "me:***@host",
    "postgresql://host/db?user=u&password=secret": "postgresql://host/db?user=u&password=***",
    "postgresql://host/db?sslpassword=secret&user=u": "postgresql://host/db?sslpassword=***&user=u",
    "http://host/a?api_key=secret": "http://host/a?api_key=***",
    "https://host/a?b=1&X-Amz-Signature=secret#end": "https://host/a?b=1&X-Amz-Signature=***#end",
    "https://host/a?sig=secret&access_token=secret": "https://host/a?sig=***&access_token=***",
    "('http://host/a?token=secret').": "('http://host/a?token=***').",
    "mssql://host/db;pwd=secret;user=u": "mssql://host/db;pwd=***;user=u",
    "host=h user=u password=secret dbname=d": "host=h user=u password=*** dbname=d",
    "MLFLOW_TRACKING_TOKEN=secret": "MLFLOW_TRACKING_TOKEN=***",
    '{"password": "secret", "user": "u"}': '{"password": "***", "user": "u"}',
    "Authorization: Bearer secret": "Authorization: Bearer ***",
    "'Authorization': 'Basic secret'": "'Authorization': 'Basic ***'",
    "two: http://a:secret@b, then http://secret@c": "two: http://***@b, then http://***@c",
}
NO_SECRETS = (
    "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=ranking",
    "sqlite:////home/me@work/mlflow.db",
    "file:///home/me:you@work/a.wav",
    "postgresql://me@host/db",
    "host:/home/me@work/mlruns/work",
    "/data/a:b@c.wav",
    "optimizer.lr=1e-3 sigmoid_concat.prob=0.5",
    "RAY_AUTH_MODE=token ray start",
    "are ~/.ray/auth_token and the versions of Python and Ray the same?",
    "Krähe 0.53  Key_jangling 0.21",
)


@pytest.mark.parametrize("text", FORMS)
def test_each_form_of_a_secret_is_hidden_and_nothing_around_it(text: str) -> None:
    assert showable(text) == FORMS[text]
    assert showable(FORMS[text]) == FORMS[text]


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert showable(text) == text


def test_half_of_a_character_is_escaped() -> None:
    assert showable("Kr\udce4he") == "Kr\\udce4he"


def test_no_secret_is_printed_whichever_way_a_command_prints_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        print("reading", *FORMS)
        print("warning:", *FORMS, file=sys.stderr)
        raise UserError(*FORMS)

    assert exit_status(command, "stopped") == 2
    said = capsys.readouterr()
    assert "secret" not in said.out + said.err
    assert said.out == f"reading {' '.join(FORMS.values())}\n"
    assert said.err == "".join(
        [f"warning: {' '.join(FORMS.values())}\n", *(f"error: {hidden}\n" for hidden in FORMS.values())]
    )


def test_an_error_holds_no_secret_wherever_it_is_written() -> None:
    assert UserError(*FORMS).problems == tuple(FORMS.values())
    assert str(UserError(*FORMS)) == "\n".join(FORMS.values())


def test_an_argument_that_is_refused_is_shown_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["download", "http://me:secret@host"])
    assert capsys.readouterr().err.splitlines()[-1] == (
        "python -m tagging download: error: argument name: invalid choice: 'http://***@host' (choose from "
        "'fsdkaggle2019')"
    )
