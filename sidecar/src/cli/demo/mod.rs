//! `orgate demo`: everything on this machine, from nothing, with the answers it really got.
//!
//! Issuer, application, sidecar and an axum application with the layer run in this process, each on a free port; all
//! that is shown went over HTTP between them.

mod app;
mod ask;
mod client;
mod files;
mod sign_in;
mod table;
mod world;

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use clap::Args;

use self::{
    ask::{COLUMNS, Row, ask_everything, expected_at_application},
    table::{BOLD, DIM, GREEN, RED},
    world::World,
};
use super::{Common, Failure, runtime, signals};
use crate::serve::Shutdown;

/// Flags of `orgate demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  orgate demo
      start everything, show who may do what, and stay up to be tried with curl
  orgate demo --once
      the same story; check every answer against the role matrix and end with 0 or 1")]
pub(crate) struct Options {
    /// End after the table: with 0 if every answer was as the role matrix says, with 1 if not.
    #[arg(long, env = "ORGATE_ONCE", value_parser = clap::builder::BoolishValueParser::new())]
    once: bool,
}

pub(crate) fn run(options: &Options, common: &Common) -> Result<(), Failure> {
    let runtime = runtime(None)?;
    let result = runtime.block_on(story(options, common));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn story(options: &Options, common: &Common) -> Result<(), Failure> {
    let began = Instant::now();
    let shutdown = Shutdown::new();
    signals::listen(shutdown.clone(), None)?;
    let world = World::start(shutdown.clone()).await.map_err(Failure::could_not_run)?;
    let mut out = output(common);
    let told = tell(&mut out, &world, began, options, &shutdown).await;
    world.end().await;
    told
}

async fn tell(
    mut out: &mut dyn Write,
    world: &World,
    began: Instant,
    options: &Options,
    shutdown: &Shutdown,
) -> Result<(), Failure> {
    // A closed pipe is no reason to fail: there is nobody left to tell.
    let _ = introduce(&mut out, world);
    let tokens =
        futures_in_order(files::ROLES.map(|role| sign_in::sign_in(&world.issuer, role, files::ORGANIZATION)))
            .await
            .map_err(Failure::could_not_run)?;
    let rows = ask_everything(&world.sidecar, &world.layer, &tokens).await.map_err(Failure::could_not_run)?;
    let good = conclude(&mut out, world, &rows, began).unwrap_or_else(|_| all_as_expected(world, &rows));
    if options.once {
        let verdict = Failure::rendered(
            1,
            "the answers differ from the role matrix; the cells in question are marked".to_owned(),
        );
        return if good { Ok(()) } else { Err(verdict) };
    }
    invite(&mut out, world, &tokens)?;
    shutdown.draining().await;
    Ok(())
}

/// Standard output, with the styles taken out unless they are wanted.
fn output(common: &Common) -> impl Write {
    let choice =
        if common.color.on_stdout() { anstream::ColorChoice::Always } else { anstream::ColorChoice::Never };
    anstream::AutoStream::new(io::stdout(), choice)
}

/// Awaits one after the other; the first failure ends it.
async fn futures_in_order<T, F: Future<Output = Result<T, String>>>(
    futures: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, String> {
    let mut results = Vec::new();
    for future in futures {
        results.push(future.await?);
    }
    Ok(results)
}

fn introduce(out: &mut dyn Write, world: &World) -> io::Result<()> {
    writeln!(out, "\n{BOLD}orgate demo{BOLD:#}  everything on this machine, from nothing\n")?;
    for (name, url, what) in [
        ("issuer", &world.issuer, "projects, people, organizations, sign-in; SQLite in a temporary folder"),
        ("upstream", &world.upstream, "an application that checks nothing"),
        ("sidecar", &world.sidecar, "the proxy in front of it, enforcing the policy"),
        ("layer", &world.layer, "an axum application with the same policy as a tower layer"),
    ] {
        writeln!(out, "  {BOLD}{name:10}{BOLD:#}{url:40}{DIM}{what}{DIM:#}")?;
    }
    writeln!(out, "\n{BOLD}The policy in force{BOLD:#}  orgate.yaml\n")?;
    for line in world.policy.lines() {
        writeln!(out, "  {DIM}│{DIM:#} {line}")?;
    }
    writeln!(out)?;
    out.flush()
}

fn conclude(out: &mut dyn Write, world: &World, rows: &[Row], began: Instant) -> io::Result<bool> {
    let good = all_as_expected(world, rows);
    writeln!(
        out,
        "{BOLD}Who may do what{BOLD:#}  four members of {}, signed in at the hosted page; and nobody\n",
        files::ORGANIZATION
    )?;
    table::write(out, &COLUMNS, rows)?;
    let cells: usize = rows.iter().map(|row| row.cells.len()).sum();
    let wrong = rows.iter().flat_map(|row| &row.cells).filter(|cell| !cell.is_as_expected()).count();
    let reached = world.seen.each_ref().map(app::Seen::count);
    writeln!(out)?;
    if good {
        writeln!(
            out,
            "  {GREEN}✓{GREEN:#} {} answers over HTTP: sidecar and layer agree in all {cells} cells, status and reason,\n    \
             and each application saw exactly the {} requests that were allowed",
            cells * 2,
            reached[0],
        )?;
    } else {
        let expected = expected_at_application(rows);
        writeln!(out, "  {RED}✗{RED:#} {wrong} of {cells} cells are not what the role matrix says;")?;
        writeln!(
            out,
            "    the applications saw {} and {} requests, {expected} were allowed",
            reached[0], reached[1]
        )?;
        for row in rows {
            for (cell, caller) in row.cells.iter().zip(COLUMNS).filter(|(cell, _)| !cell.is_as_expected()) {
                writeln!(out, "    {} as {caller}: {cell:?}", row.request())?;
            }
        }
    }
    writeln!(out, "  {DIM}{:.1} s from the start{DIM:#}\n", began.elapsed().as_secs_f64())?;
    out.flush()?;
    Ok(good)
}

/// Whether every cell is as the matrix says, and nothing refused reached an application.
fn all_as_expected(world: &World, rows: &[Row]) -> bool {
    let expected = expected_at_application(rows);
    rows.iter().flat_map(|row| &row.cells).all(ask::Cell::is_as_expected)
        && world.seen.iter().all(|seen| seen.count() == expected)
}

fn invite(out: &mut dyn Write, world: &World, tokens: &[String]) -> Result<(), Failure> {
    let mut files = Vec::new();
    for (role, token) in files::ROLES.iter().zip(tokens) {
        files.push(world.keep_token(role, token).map_err(Failure::could_not_run)?);
    }
    let _ = write_invitation(out, world, &files);
    Ok(())
}

fn write_invitation(out: &mut dyn Write, world: &World, tokens: &[std::path::PathBuf]) -> io::Result<()> {
    writeln!(out, "{BOLD}Try it{BOLD:#}  the tokens are good for an hour\n")?;
    let token = |role: &str| {
        let at = files::ROLES.iter().position(|known| *known == role);
        let file =
            at.and_then(|at| tokens.get(at)).map(|path| path.display().to_string()).unwrap_or_default();
        format!("-H \"Authorization: Bearer $(cat {file})\"")
    };
    for (what, command) in [
        ("a viewer may read", format!("curl -i {}/docs {}", world.sidecar, token("viewer"))),
        ("and not write", format!("curl -i -X POST {}/docs {}", world.sidecar, token("viewer"))),
        ("the same through the layer", format!("curl -i -X POST {}/docs {}", world.layer, token("viewer"))),
        (
            "an owner may delete the organization",
            format!("curl -i -X DELETE {}/orgs/org_acme {}", world.layer, token("owner")),
        ),
        ("but no other", format!("curl -i -X DELETE {}/orgs/org_globex {}", world.layer, token("owner"))),
        ("what the issuer publishes", format!("curl {}/.well-known/openid-configuration", world.issuer)),
    ] {
        writeln!(out, "  {DIM}# {what}{DIM:#}\n  {command}")?;
    }
    writeln!(
        out,
        "\n{BOLD}Look around{BOLD:#}  in a browser; everybody's password is `{}`\n",
        files::PASSWORD
    )?;
    let console = world.issuer.split("/p/").next().unwrap_or_default();
    for (url, who, what) in [
        (format!("{console}/console"), files::OPERATOR.to_owned(), "the operators' console"),
        (
            format!("{}/account/organizations", world.issuer),
            files::address("owner"),
            "an owner's organization, its members and roles",
        ),
    ] {
        writeln!(out, "  {url:60}{who:24}{DIM}{what}{DIM:#}")?;
    }
    writeln!(out, "\n{BOLD}Ctrl-C ends it{BOLD:#}")?;
    out.flush()
}
