//! The keys that a project signs with, drawn as what they do over time, and how one follows another.

use axum::response::Response;
use http::Method;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::{Desk, Outcome, Told};
use crate::{
    http::{Problem, body::Form},
    keys::Algorithm,
    management::inside::{Api, Ask},
    workspace::view::{minute, text},
};

/// How far the picture reaches to both sides of now: a key is shown for a day before it signs, and for a day after.
const REACH_MS: i64 = 3 * 24 * 3_600_000;
/// How wide the picture is, in units of its own.
const WIDTH: i64 = 1000;

/// What a state is called, and what it means.
const STATES: [(&str, &str, &str); 4] = [
    ("next", "Next", "Applications can see it already. It signs from the moment below."),
    ("active", "Signs", "What is signed now is signed with it."),
    ("retiring", "Retires", "It signs nothing more. What it has signed is good until that ends by itself."),
    ("removed", "Removed", "Its private part is gone, and nothing that it has signed counts any more."),
];

pub(super) async fn page(desk: &Desk<'_>, told: &Told) -> Result<Response, Problem> {
    let (rows, _) = Api::rows(desk.ask(Ask::get(&desk.path("/signing-keys")?)).await?)?;
    let (project, now) = (desk.project()?, desk.app.now_ms());
    let groups: Vec<Value> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| {
            let of = rows.iter().filter(|one| text(one, "algorithm") == algorithm.as_str());
            let (gone, shown): (Vec<&Json>, Vec<&Json>) = of.partition(|one| text(one, "state") == "removed");
            let signs = [
                (project.access_algorithm == algorithm, "access tokens"),
                (project.id_algorithm == algorithm, "ID tokens and events"),
            ];
            let signs: Vec<&str> =
                signs.into_iter().filter_map(|(does, what)| does.then_some(what)).collect();
            context! {
                algorithm => algorithm.as_str(),
                signs => signs.join(", "),
                waits => shown.iter().any(|one| text(one, "state") == "next"),
                keys => shown.into_iter().map(|one| entry(one, now)).collect::<Vec<_>>(),
                gone => gone.into_iter().rev().map(|one| entry(one, now)).collect::<Vec<_>>(),
            }
        })
        .collect();
    let key_set = format!("{}/jwks.json", desk.app.public.issuer(&project.id));
    let values = context! { groups => groups, key_set => key_set, reach => REACH_MS / (24 * 3_600_000) };
    desk.show("console_signing_keys.html", told, values)
}

fn entry(one: &Json, now: i64) -> Value {
    let state = text(one, "state");
    let known = STATES.iter().find(|(known, ..)| *known == state);
    let (called, about) = known.map_or(("", ""), |(_, called, about)| (*called, *about));
    context! {
        kid => text(one, "kid"),
        state => state,
        called => called,
        about => about,
        since => minute(&one["since"]),
        until => minute(&one["until"]),
        created => minute(&one["created_at"]),
        signs_from => minute(&one["signs_from"]),
        signs_until => minute(&one["signs_until"]),
        shown_until => minute(&one["shown_until"]),
        bars => bars(one, now),
    }
}

/// The stretches of the picture: from where, how wide, and of which state. What is older than the picture, or has no end,
/// goes to its edge.
fn bars(one: &Json, now: i64) -> Vec<Value> {
    let at = |name: &str| one[name].as_str()?.parse::<jiff::Timestamp>().ok().map(|at| at.as_millisecond());
    let place = |at: i64| (at - (now - REACH_MS)).clamp(0, 2 * REACH_MS) * WIDTH / (2 * REACH_MS);
    let created = at("created_at").unwrap_or(now);
    let from = at("signs_from");
    let until = match text(one, "state").as_str() {
        "active" => at("until"),
        _ => at("signs_until"),
    };
    let end = at("shown_until");
    [
        ("next", Some(created), from.or(end)),
        ("active", from, until.or(end)),
        ("retiring", until.filter(|_| from.is_some() && end.is_some()), end),
    ]
    .into_iter()
    .filter_map(|(state, from, to)| {
        let (from, to) = (place(from?), to.map_or(WIDTH, place));
        (to > from).then(|| context! { state => state, x => from, width => to - from })
    })
    .collect()
}

pub(super) async fn change(desk: &Desk<'_>, change: &str, fields: &Form) -> Result<Outcome, Problem> {
    let algorithm = fields.get("id").unwrap_or_default();
    let at_once = match change {
        "rotate" => false,
        "leaked" if fields.get("confirm").map(str::trim) == Some(algorithm) => true,
        "leaked" => return Err(Problem::invalid("confirm", "is not the name of the algorithm")),
        _ => return Ok(Outcome::Unknown),
    };
    let body = json!({ "algorithm": algorithm, "at_once": at_once });
    desk.ask(Ask::new(Method::POST, &desk.path("/signing-keys/rotate")?, body)).await?;
    let done = if at_once { "key_replaced" } else { "key_rotated" };
    Ok(Outcome::Done(done, desk.to("/signing-keys")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::rfc3339;

    const DAY: i64 = 24 * 3_600_000;
    const NOW: i64 = 1_800_000_000_000;

    fn drawn(key: &Json) -> Vec<(String, i64, i64)> {
        bars(key, NOW)
            .into_iter()
            .map(|bar| {
                let number = |name: &str| i64::try_from(bar.get_attr(name).unwrap()).unwrap();
                (bar.get_attr("state").unwrap().to_string(), number("x"), number("width"))
            })
            .collect()
    }

    #[test]
    fn a_key_is_drawn_as_long_as_it_is_shown() {
        let at = |days: i64| rfc3339(NOW + days * DAY);
        let bar = |state: &str, x, width| (state.to_owned(), x, width);
        let active = json!({ "state": "active", "created_at": at(-90), "signs_from": at(-90) });
        assert_eq!(drawn(&active), [bar("active", 0, 1000)]);
        let followed =
            json!({ "state": "active", "created_at": at(-90), "signs_from": at(-90), "until": at(1) });
        assert_eq!(drawn(&followed), [bar("active", 0, 666)]);
        let next = json!({ "state": "next", "created_at": at(0), "signs_from": at(1), "until": at(1) });
        assert_eq!(drawn(&next), [bar("next", 500, 166), bar("active", 666, 334)]);
        let retiring = json!({ "state": "retiring", "created_at": at(-9), "signs_from": at(-9),
                               "signs_until": at(-1), "shown_until": at(1), "until": at(1) });
        assert_eq!(drawn(&retiring), [bar("active", 0, 333), bar("retiring", 333, 333)]);
        let gone = json!({ "state": "removed", "created_at": at(-9), "signs_from": at(-9),
                           "signs_until": at(-8), "shown_until": at(-8) });
        assert_eq!(drawn(&gone), []);
    }
}
