//! Instructions of a decision, counted by valgrind: the figure that does not depend on what else the machine does.
//!
//! This program runs itself under callgrind, twice for each engine and size: once for a hundred decisions, once for
//! more of them. The difference is what the decisions cost.

use std::{
    env,
    process::{Command, Stdio},
};

use orgate_bench::{ENGINES, SIZES, engine};

/// Under valgrind an engine that reads its rules at every decision takes minutes; those are counted at few rules only.
const SLOW: [&str; 2] = ["casbin", "cedar"];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--count") {
        let number = |at: usize| arguments[at].parse::<usize>().unwrap();
        let mut engine = engine(&arguments[at + 1], number(at + 2));
        println!("{}", (engine.decide)(number(at + 3)).allowed);
        return;
    }
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("instructions are not counted: valgrind is not installed");
        return;
    }
    println!("\n| engine | rules | instructions | ratio |\n|---|---:|---:|---:|");
    for size in SIZES {
        let mut own = f64::NAN;
        for name in ENGINES {
            if SLOW.contains(&name) && size > 1_000 {
                continue;
            }
            let decisions = if name.starts_with("orgate") || name == "matchit" { 20_000 } else { 200 };
            let (few, many) = (run(name, size, 100), run(name, size, 100 + decisions));
            let each = many.saturating_sub(few) as f64 / decisions as f64;
            if name == ENGINES[0] {
                own = each;
            }
            println!("| {name} | {size} | {each:.0} | {:.1} |", each / own);
        }
    }
}

/// The instructions of a whole run.
fn run(name: &str, size: usize, decisions: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // Where reading the target does not count, only what judges it is counted.
        .args((name == ENGINES[1]).then_some("--toggle-collect=*Orgate*judge*"))
        .arg(env::current_exe().unwrap())
        .args(["--count", name, &size.to_string(), &decisions.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let collected =
        text.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    collected
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("valgrind counted nothing: {text}"))
}
