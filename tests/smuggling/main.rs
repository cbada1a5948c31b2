//! Nothing smuggled, nothing spoofed: every row of what is known to go wrong between a client, a proxy and an application, sent to
//! the real proxy with a strict application behind it (see `stand.rs` for what is demanded of each case).
//!
//! `docs/hardening.md` says the same for readers, row by row; that the two agree is tested here too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod applications;
mod client;
mod connections;
mod framing;
mod history;
mod http2;
mod identity;
mod lines;
mod page;
mod paths;
mod recorder;
mod stand;
mod targets;

use std::{
    fmt::Write as _,
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::stand::{Class, Stand, Tally};

type Row = (&'static str, fn(&mut Class<'_>));

/// Every class, under the name that the page has for it.
fn rows() -> Vec<Row> {
    [
        &framing::ROWS[..],
        &lines::ROWS,
        &http2::ROWS,
        &connections::ROWS,
        &identity::ROWS,
        &applications::ROWS,
        &paths::ROWS,
        &targets::ROWS,
        &history::ROWS,
    ]
    .concat()
}

#[test]
fn nothing_is_smuggled_and_nothing_is_spoofed() {
    let rows = rows();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((number, (name, walk))) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|number| Some((number, rows.get(number)?)))
                {
                    let stand = Stand::start();
                    let mut class = Class::new(&stand, name);
                    walk(&mut class);
                    let (tally, problems) = (class.tally, class.problems);
                    found.lock().unwrap().push((number, tally, problems));
                    assert_eq!(stand.running.terminate().code, Some(0), "{name}: it did not end well");
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(number, ..)| *number);
    let sum = print(&rows, &found);
    let problems: Vec<String> = found.into_iter().flat_map(|(_, _, problems)| problems).collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(sum > 1500, "{sum} cases");
}

/// To the terminal, past the capturing of output.
fn print(rows: &[Row], found: &[(usize, Tally, Vec<String>)]) -> usize {
    let mut out = String::from("\nSmuggling and spoofing: what was sent, and what became of it\n\n");
    let mut line = |name: &str, cells: [&str; 5]| {
        let [cases, refused, cut, passed, wrong] = cells;
        writeln!(out, "{name:<36}{cases:>8}{refused:>10}{cut:>12}{passed:>18}{wrong:>8}").unwrap();
    };
    line("", ["cases", "refused", "broken off", "passed, harmless", "wrong"]);
    let mut sum = [0; 5];
    for (number, tally, problems) in found {
        let cells = [tally.cases(), tally.refused, tally.cut, tally.passed, problems.len()];
        for (sum, cell) in sum.iter_mut().zip(cells) {
            *sum += cell;
        }
        line(rows[*number].0, cells.map(|cell| cell.to_string()).each_ref().map(String::as_str));
    }
    line("together", sum.map(|cell| cell.to_string()).each_ref().map(String::as_str));
    std::io::stderr().write_all(out.as_bytes()).unwrap();
    sum[0]
}
