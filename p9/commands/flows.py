"""`p9 flows`: the schedule here (`serve`), at a work pool (`deploy`), or only its server (`server`)."""

from __future__ import annotations

import signal
import threading
from contextlib import nullcontext

import click

from p9 import options


@click.group()
def flows() -> None:
    """The schedule: history fetched, repaired, compared and kept small; `p9 flows list` names each flow."""


@flows.command(short_help="Run the schedule here until interrupted.")
@options.config
def serve() -> None:
    """Run the schedule here until interrupted, with a Prefect server of its own unless one is configured."""
    import os

    from configs.load import load
    from pipelines import prefect_env
    from pipelines.server import local_server

    settings = load()
    prefect_env.prepare(settings.home)
    configured = os.environ.get("PREFECT_API_URL")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server is ended too
    try:
        with nullcontext(configured) if configured else local_server(settings.home) as url:
            os.environ["PREFECT_API_URL"] = str(url)
            from pipelines.deploy import DEPLOYMENTS, serve

            click.echo(f"serving {', '.join(each.name for each in DEPLOYMENTS)} by {url}")
            serve()
    except KeyboardInterrupt:
        pass  # asked to stop


@flows.command(short_help="Register the schedule at a work pool of a Prefect server.")
@options.config
@click.option("--pool", required=True, help="Name of an existing Prefect work pool.")
def deploy(pool: str) -> None:
    """Register the schedule at a work pool of the server that PREFECT_API_URL names."""
    import os

    from configs.load import load
    from pipelines import prefect_env

    prefect_env.prepare(load().home)
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        raise click.UsageError("no Prefect server: name one in PREFECT_API_URL, or run 'p9 flows server' here")
    if not prefect_env.answers(url):
        raise click.ClickException(f"no Prefect server answers at {url} (PREFECT_API_URL); start it first")
    from prefect.deployments.runner import DeploymentApplyError

    from pipelines.deploy import deploy

    try:
        for name in deploy(pool):
            click.echo(f"{name} at pool {pool}")
    except DeploymentApplyError as error:
        raise click.ClickException(f"{error} Make it with: prefect work-pool create {pool} --type process") from None


@flows.command(short_help="Run only the Prefect server, with its pages for people.")
@options.config
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0: all of them.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port; default: any free one.")
def server(host: str, port: int) -> None:
    """Run only the Prefect server, with its pages for people. Flows of the same home started later use it.

    Its database is PostgreSQL where PREFECT_SERVER_DATABASE_CONNECTION_URL says so, else a file in the home folder.
    """
    from configs.load import load
    from pipelines.server import local_server

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with local_server(load().home, host, port) as url:
        click.echo(f"Prefect's server at {url}")
        stop.wait()


@flows.command(name="list")
def listed() -> None:
    """What is scheduled, and how often."""
    from pipelines.deploy import DEPLOYMENTS

    for each in DEPLOYMENTS:
        when = "on request" if each.every_s is None else f"every {each.every_s:>5} s"
        click.echo(f"{each.name:<13} {when:<14} {each.about}")
