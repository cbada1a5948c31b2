//! Large organizations, and people in many of them: lists come in pages that hold everybody once, and neither a page nor a
//! token costs more where there are more rows. `ORGATE_SCALE=1000,10000,100000` prints the figures and compares them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};

use super::{ACME, bare};
use crate::{
    db::sql,
    testing::{Browser, Engine, NOW, Site, and, refresh, site},
};

const TIMES: usize = 15;

/// How many members there are in one run after another.
fn sizes() -> Vec<usize> {
    let sizes = std::env::var("ORGATE_SCALE").unwrap_or_else(|_| "1000".to_owned());
    sizes.split(',').map(|size| size.parse().expect("ORGATE_SCALE is a list of numbers")).collect()
}

/// Makes `count` members of acme, and `d` the owner of a hundredth as many organizations.
async fn fill(site: &Site, count: usize) {
    let members = i64::try_from(count).unwrap();
    site.write(move |tx| {
        Box::pin(async move {
            // Counting them one by one takes PostgreSQL an hour inside one transaction.
            if Engine::current() == Engine::Postgres {
                tx.run(sql("ALTER TABLE memberships DISABLE TRIGGER memberships_counted")).await?;
            }
            let users = sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO users (id, project_id, email, email_norm, email_verified_at, created_at, updated_at)
                 SELECT 'usr_s' || CAST(10000000 + i AS TEXT), 'proj_p', 's' || CAST(i AS TEXT) || '@example.com',
                        's' || CAST(i AS TEXT) || '@example.com', $2, $2, $2 FROM n");
            tx.run(users.bind(members).bind(NOW)).await?;
            let members_of = sql("INSERT INTO memberships
                     (id, project_id, org_id, user_id, role_key, created_at, updated_at)
                 SELECT 'mem_s' || substr(id, 6), 'proj_p', 'org_acme', id, 'viewer', $1, $1
                 FROM users WHERE id LIKE 'usr_s1%'");
            tx.run(members_of.bind(NOW)).await?;
            let organizations = sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO organizations (id, project_id, name, slug, owner_member_id, created_at, updated_at)
                 SELECT 'org_s' || CAST(10000000 + i AS TEXT), 'proj_p', 'S' || CAST(i AS TEXT),
                        's-' || CAST(i AS TEXT), 'mem_o' || CAST(10000000 + i AS TEXT), $2, $2 FROM n");
            tx.run(organizations.bind(members / 100).bind(NOW)).await?;
            let owned = sql("INSERT INTO memberships
                     (id, project_id, org_id, user_id, role_key, created_at, updated_at)
                 SELECT owner_member_id, 'proj_p', id, 'usr_d', 'owner', $1, $1
                 FROM organizations WHERE id LIKE 'org_s1%'");
            tx.run(owned.bind(NOW)).await?;
            if Engine::current() == Engine::Postgres {
                let count = sql("UPDATE organizations SET member_count =
                     (SELECT count(*) FROM memberships m WHERE m.org_id = organizations.id)");
                tx.run(count).await?;
                tx.run(sql("SET CONSTRAINTS ALL IMMEDIATE")).await?;
                tx.run(sql("ALTER TABLE memberships ENABLE TRIGGER memberships_counted")).await?;
            }
            Ok(())
        })
    })
    .await;
    // What both engines do by themselves after such a load, some time.
    site.change("ANALYZE").await;
}

/// All of a list, a page after the other, and the path of the page in the middle.
async fn walk(browser: &Browser, path: &str) -> (Vec<Value>, String) {
    let (mut rows, mut pages) = (Vec::new(), vec![format!("{path}?limit=100")]);
    loop {
        let page = browser.get(pages.last().unwrap()).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(cursor) => pages.push(format!("{path}?limit=100&cursor={cursor}")),
            None => return (rows, pages.swap_remove(pages.len() / 2)),
        }
    }
}

/// How long an answer takes in the middle.
async fn median(mut request: impl AsyncFnMut()) -> Duration {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        request().await;
        times.push(begun.elapsed());
    }
    times.sort();
    times[TIMES / 2]
}

async fn get(browser: &Browser, path: &str) -> Duration {
    median(async || assert_eq!(browser.get(path).await.status, 200, "{path}")).await
}

/// What is measured, by name.
async fn measure(count: usize) -> Vec<(&'static str, Duration)> {
    let site = site().await;
    fill(&site, count).await;
    let (owner, d) = (site.signed_in("owner").await, site.signed_in("d").await);

    let (rows, middle) = walk(&owner, &format!("{ACME}/members")).await;
    let ids: BTreeSet<&str> = rows.iter().map(|row| row["user_id"].as_str().unwrap()).collect();
    assert_eq!((rows.len(), ids.len()), (count + 5, count + 5), "everybody once");
    let shown = owner.get(ACME).await.json()["member_count"].clone();
    assert_eq!(shown, json!(count + 5));
    let (own, middle_own) = walk(&d, "/v1/auth/me/organizations").await;
    assert_eq!(own.len(), count / 100 + 2);

    let last = format!("{ACME}/members/usr_s{}", 10_000_000 + count);
    let mut figures = vec![
        ("members, first page", get(&owner, &format!("{ACME}/members?limit=100")).await),
        ("members, a page in the middle", get(&owner, &middle).await),
        ("members, of a rare role", get(&owner, &format!("{ACME}/members?role=admin")).await),
        ("one member", get(&owner, &last).await),
        ("one's organizations, first page", get(&d, "/v1/auth/me/organizations").await),
        ("one's organizations, in the middle", get(&d, &middle_own).await),
        ("the organization", get(&owner, ACME).await),
    ];
    let role = median(async || {
        for role in ["member", "viewer"] {
            let reply = owner.json(Method::PUT, &last, &json!({ "role": role })).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    });
    figures.push(("two changes of a role", role.await));
    let member = median(async || {
        let body = json!({ "user_id": "usr_n", "role": "member" });
        let reply = owner.json(Method::POST, &format!("{ACME}/members"), &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        let gone = bare(&owner, Method::DELETE, &format!("{ACME}/members/usr_n")).await;
        assert!(gone.status.is_success(), "{}", gone.text());
    });
    figures.push(("one member in and out", member.await));
    let mut tokens = site.tokens("viewer", Some("org_acme")).await;
    let refreshed = median(async || tokens = site.browser().token(&refresh(&tokens)).await.json());
    figures.push(("a token, in the large organization", refreshed.await));
    let mut tokens = site.tokens("d", Some("org_acme")).await;
    let switched = median(async || {
        for org in ["org_s10000001", "org_acme"] {
            let reply = site.browser().token(&and(refresh(&tokens), "org_id", org)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            tokens = reply.json();
        }
    });
    figures.push(("two switches among many", switched.await));
    figures
}

#[orgate_testkit::both]
async fn lists_and_tokens_cost_the_same_whatever_the_size() {
    let sizes = sizes();
    let mut tables = Vec::new();
    for size in &sizes {
        tables.push(measure(*size).await);
    }
    println!("| {:?}, milliseconds in the middle of {TIMES} | {sizes:?} |", Engine::current());
    for (at, (name, smallest)) in tables[0].iter().enumerate() {
        let row: Vec<Duration> = tables.iter().map(|table| table[at].1).collect();
        let shown: Vec<String> = row.iter().map(|time| format!("{:.2}", time.as_secs_f64() * 1e3)).collect();
        println!("| {name} | {} |", shown.join(" | "));
        // The time of a machine that does other things too: far from flat is what it can tell.
        let bound = *smallest * 5 + Duration::from_millis(3);
        assert!(row.iter().all(|time| *time <= bound), "{name}: {shown:?}");
    }
}
