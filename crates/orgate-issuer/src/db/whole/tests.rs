use std::collections::BTreeSet;

use http::Method;
use serde_json::json;

use super::{tables::Value, *};
use crate::{
    factors, maintenance,
    testing::{Engine, NOW, Site, TempDir, exchange, refresh, site},
};

/// A database with something in every table that a life of sign-ins and tokens fills.
async fn lived_in() -> Site {
    let site = site().await;
    site.browser().get("/p/proj_p/jwks.json").await;
    let tokens = site.tokens("admin", None).await;
    site.browser().token(&refresh(&tokens)).await;
    site.browser().operator("ops@example.com").await;
    site.browser().authorize(&[]).await;
    site
}

fn other(engine: Engine) -> Engine {
    match engine {
        Engine::Sqlite => Engine::Postgres,
        Engine::Postgres => Engine::Sqlite,
    }
}

/// Counts and sums up every table, in one state of the database.
async fn sums(conn: &mut Conn) -> Result<Vec<(String, Sum)>, DbError> {
    snapshot(conn).await?;
    let mut sums = Vec::new();
    for table in tables::all(conn).await? {
        let sum = table.sum(conn).await?;
        sums.push((table.name, sum));
    }
    conn.script("COMMIT").await?;
    sums.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(sums)
}

async fn open(url: &str) -> Conn {
    connect(&DatabaseUrl::parse(url).unwrap(), Access::Read).await.unwrap()
}

/// The schema as both engines tell it; a step that makes something else of a table on one of them is found here.
#[tokio::test]
async fn both_engines_have_the_same_tables() {
    let mut schemas = Vec::new();
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let dir = TempDir::on(engine);
        maintenance::migrate(&dir.database_empty(), NOW).await.unwrap();
        let mut conn = open(&dir.database_empty()).await;
        let mut tables = tables::all(&mut conn).await.unwrap();
        conn.close().await;
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        schemas.push(tables);
    }
    assert_eq!(schemas[0], schemas[1]);
    assert!(schemas[0].len() >= 15, "{}", schemas[0].len());
}

#[orgate_testkit::both]
async fn a_copy_holds_the_same_and_comes_back_the_same() {
    let site = lived_in().await;
    let tokens = site.tokens("member", Some("org_acme")).await;
    site.issuer.shutdown().await;
    let (there, back) = (TempDir::on(other(Engine::current())), TempDir::new());
    let first = maintenance::copy(&site.dir.database(), &there.database_empty(), NOW).await.unwrap();
    let second = maintenance::copy(&there.database_empty(), &back.database_empty(), NOW).await.unwrap();
    assert_eq!(first, second, "round trip");
    let rows = |table: &str| first.iter().find(|copied| copied.table == table).unwrap().rows;
    assert!(rows("memberships") == 7 && rows("token_families") == 2 && rows("signing_keys") >= 2);

    let scope = maintenance::AuditScope::default();
    for url in [there.database_empty(), back.database_empty()] {
        let reports = maintenance::verify_audit(&url, &scope, &mut |_, _| {}).await.unwrap();
        assert!(reports.iter().all(|report| report.broken.is_none()), "{reports:?}");
    }
    let mut conn = open(&there.database_empty()).await;
    let sums = sums(&mut conn).await.unwrap();
    conn.close().await;
    let read = |(table, sum): &(String, Sum)| (table.clone(), sum.rows, sum.hash());
    let told = first.iter().map(|copied| (copied.table.clone(), copied.rows, copied.hash.clone()));
    assert_eq!(sums.iter().map(read).collect::<Vec<_>>(), told.collect::<Vec<_>>());

    // And it works there, triggers and all: a refresh token of before is good.
    let mut settings = crate::Settings::new(crate::testing::ORIGIN);
    settings.database = there.database_empty();
    settings.secret_file = Some(site.dir.secret());
    let moved = Site::with(settings, there, site.clock.clone()).await;
    let reply = moved.browser().token(&refresh(&tokens)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let before = moved.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await;
    moved
        .write(|tx| {
            Box::pin(async move {
                let statement = "DELETE FROM memberships WHERE user_id = 'usr_d' AND org_id = 'org_acme'";
                tx.run(crate::db::sql(statement)).await.map(|_| ())
            })
        })
        .await;
    assert_eq!(moved.count("SELECT ver AS n FROM organizations WHERE id = 'org_acme'").await, before + 1);
}

#[orgate_testkit::both]
async fn nothing_is_copied_into_a_database_with_rows_or_beside_a_running_issuer() {
    let site = site().await;
    // A connection of the issuer is open.
    site.count("SELECT COUNT(*) AS n FROM users").await;
    let target = TempDir::new();
    let error = maintenance::copy(&site.dir.database(), &target.database_empty(), NOW).await.unwrap_err();
    assert!(error.to_string().contains("stop") && error.to_string().contains("issuer"), "{error}");

    site.issuer.shutdown().await;
    let full = crate::testing::Site::open().await;
    full.issuer.shutdown().await;
    let error = maintenance::copy(&site.dir.database(), &full.dir.database(), NOW).await.unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    let nowhere = format!("sqlite://{}", site.dir.path().join("none.db").display());
    assert!(maintenance::copy(&nowhere, &target.database_empty(), NOW).await.is_err());
    assert!(!site.dir.path().join("none.db").exists());
    maintenance::copy(&site.dir.database(), &target.database_empty(), NOW).await.unwrap();
}

#[test]
fn a_sum_knows_what_it_summed_up_and_not_in_which_order() {
    let rows =
        [[Value::Text(Some("a".to_owned())), Value::Int(None)], [Value::Text(None), Value::Int(Some(7))]];
    let sum = |order: &[usize]| {
        let mut sum = Sum::default();
        order.iter().for_each(|at| sum.add(&rows[*at]));
        sum
    };
    assert_eq!(sum(&[0, 1]), sum(&[1, 0]));
    for other in [&[0][..], &[1], &[0, 0], &[1, 1], &[0, 1, 1], &[]] {
        assert_ne!(sum(&[0, 1]).hash(), sum(other).hash(), "{other:?}");
    }
}

#[orgate_testkit::both]
async fn an_export_holds_every_row_and_secrets_only_if_asked_to() {
    let site = lived_in().await;
    let url = site.dir.database();
    let mut texts = Vec::new();
    for with_secrets in [false, true] {
        let mut out = Vec::new();
        // The issuer goes on running.
        let rows = maintenance::export(&url, with_secrets, &mut out).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["orgate"], "export");
        assert_eq!(lines[0]["secrets"], with_secrets);
        assert_eq!(u64::try_from(lines.len()).unwrap(), rows + 2);
        assert_eq!(lines.last().unwrap()["orgate"], "end");
        let mut conn = open(&url).await;
        for (table, sum) in sums(&mut conn).await.unwrap() {
            let found = lines.iter().filter(|line| line["table"] == *table).count();
            assert_eq!(u64::try_from(found).unwrap(), sum.rows, "{table}");
            assert_eq!(lines.last().unwrap()["tables"][table.as_str()], sum.rows, "{table}");
        }
        conn.close().await;
        texts.push(text);
    }
    for secret in ["argon2id", "private_enc", "password_phc", "token_hash", "secret_hash", "code_hash"] {
        assert!(!texts[0].contains(secret), "{secret}");
        assert!(texts[1].contains(secret), "{secret}");
    }
    assert!(texts[0].contains("owner@example.com") && texts[0].contains("The acme"));
}

/// A new column is put into one of the two lists by somebody who thought about it.
#[tokio::test]
async fn every_column_is_told_or_kept_back_on_purpose() {
    let dir = TempDir::on(Engine::Sqlite);
    maintenance::migrate(&dir.database_empty(), NOW).await.unwrap();
    let mut conn = open(&dir.database_empty()).await;
    let mut kept = BTreeSet::new();
    for table in tables::all(&mut conn).await.unwrap() {
        for column in &table.columns {
            if export::is_secret(&table.name, &column.name) {
                kept.insert(format!("{}.{}", table.name, column.name));
            }
            for word in ["secret", "password", "hash", "token", "private", "key", "sealed"] {
                let harmless = ["role_key", "code_challenge", "public_key", "private_metadata"]
                    .contains(&column.name.as_str())
                    || [("roles", "key"), ("permissions", "key")]
                        .contains(&(table.name.as_str(), column.name.as_str()));
                assert!(
                    harmless || export::is_secret(&table.name, &column.name) || !column.name.contains(word),
                    "{}.{} looks like a secret: end its name in _hash, _phc, _enc or _secret, or name it in `export`",
                    table.name,
                    column.name
                );
            }
        }
    }
    conn.close().await;
    for known in
        ["users.password_phc", "signing_keys.private_enc", "clients.secret_hash", "sessions.token_hash"]
    {
        assert!(kept.contains(known), "{known}");
    }
}

#[tokio::test]
async fn a_backup_is_taken_while_the_issuer_runs_and_is_a_whole_installation() {
    let site = lived_in().await;
    let tokens = site.tokens("member", None).await;
    let restored = TempDir::on(Engine::Sqlite);
    let file = restored.path().join("x.db");
    maintenance::backup(&site.dir.database(), &file).await.unwrap();
    assert!(maintenance::backup(&site.dir.database(), &file).await.is_err(), "nothing is written over");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // What happens after it is not in it.
    site.tokens("viewer", None).await;
    let sessions = site.count("SELECT COUNT(*) AS n FROM sessions").await;
    std::fs::copy(site.dir.secret(), restored.secret()).unwrap();
    let again = Site::with(crate::testing::settings(&restored), restored, site.clock.clone()).await;
    assert_eq!(again.count("SELECT COUNT(*) AS n FROM sessions").await, sessions - 1);
    assert_eq!(again.browser().token(&refresh(&tokens)).await.status, 200);
    let code = again.browser().code("admin", None, "openid").await;
    assert_eq!(again.browser().token(&exchange(&code)).await.status, 200);
    let nothing = maintenance::backup("sqlite://none.db", &again.dir.path().join("y.db")).await;
    assert!(nothing.is_err() && !again.dir.path().join("y.db").exists());
}

/// Gives `usr_admin` an authenticator and two recovery codes; a code of the one, and the others.
async fn second_factor(site: &Site) -> (String, Vec<String>) {
    let secret = factors::new_totp().unwrap();
    let (first, next) = (secret.code_at(NOW), secret.code_at(NOW + 30_000));
    let codes: Vec<String> = factors::new_recovery_codes().unwrap().into_iter().take(2).collect();
    let (secrets, stored) = (std::sync::Arc::clone(&site.issuer.app().secrets), codes.clone());
    site.write(move |tx| {
        Box::pin(async move {
            assert!(factors::begin_totp(tx, &secrets, "usr_admin", &secret, NOW).await?);
            assert!(factors::confirm_totp(tx, &secrets, "usr_admin", &first, NOW).await?);
            factors::set_recovery_codes(tx, &secrets, "usr_admin", &stored, NOW).await
        })
    })
    .await;
    (next, codes)
}

/// Whether a code is right.
async fn shown(site: &Site, code: &str) -> bool {
    let (secrets, code) = (std::sync::Arc::clone(&site.issuer.app().secrets), code.to_owned());
    site.write(move |tx| {
        Box::pin(async move { factors::check(tx, &secrets, "usr_admin", &code, NOW + 30_000).await })
    })
    .await
}

#[orgate_testkit::both]
async fn a_new_secret_seals_what_is_sealed_and_the_old_one_still_reads() {
    let site = lived_in().await;
    let url = site.dir.database();
    let (totp, codes) = second_factor(&site).await;
    let forgot = json!({ "email": "viewer@example.com", "project": "proj_p" });
    let sent = site.browser().json(Method::POST, "/v1/auth/password/forgot", &forgot).await;
    assert!(sent.status.is_success(), "{}", sent.text());
    let letter = site.letter("viewer@example.com").await.unwrap();
    let tokens = site.tokens("member", None).await;
    let before = site.browser().get("/p/proj_p/jwks.json").await.json();
    site.issuer.shutdown().await;
    let old = std::fs::read_to_string(site.dir.secret()).unwrap();
    let rotated = maintenance::rotate_secret(&url, Some(&site.dir.secret()), NOW).await.unwrap();
    assert!(rotated.keys >= 2 && rotated.clients == 2, "{rotated:?}");
    assert!(
        rotated.authenticators == 1 && rotated.letters >= 1 && rotated.recovery_codes == 2,
        "{rotated:?}"
    );
    let both = std::fs::read_to_string(site.dir.secret()).unwrap();
    assert!(both.ends_with(&old) && both.lines().count() == 2);

    // Keys, client secrets and refresh tokens of before are good.
    let dir = TempDir::new();
    let again = Site::with(crate::testing::settings(&site.dir), dir, site.clock.clone()).await;
    assert_eq!(again.browser().get("/p/proj_p/jwks.json").await.json(), before);
    assert_eq!(again.browser().token(&refresh(&tokens)).await.status, 200);
    assert!(shown(&again, &codes[0]).await, "a recovery code of before");
    again.issuer.shutdown().await;

    // The new line alone opens the keys, and the old one alone opens nothing any more.
    std::fs::write(site.dir.secret(), both.lines().next().unwrap()).unwrap();
    let again = Site::with(crate::testing::settings(&site.dir), TempDir::new(), site.clock.clone()).await;
    assert_eq!(again.browser().get("/p/proj_p/jwks.json").await.json(), before);
    assert_eq!(again.letter("viewer@example.com").await.unwrap()["text"], letter["text"]);
    assert!(shown(&again, &totp).await, "the authenticator goes on");
    assert!(!shown(&again, &codes[1]).await, "a recovery code was told to need the old line");
    again.issuer.shutdown().await;
    std::fs::write(site.dir.secret(), &old).unwrap();
    let opened = crate::Issuer::open(
        crate::testing::settings(&site.dir),
        std::sync::Arc::new(crate::ManualClock::at(NOW)),
    );
    assert!(opened.await.unwrap_err().to_string().contains("was not written with the secret"));
}

#[orgate_testkit::both]
async fn what_is_missing_in_a_schema_is_told_without_changing_it() {
    let dir = TempDir::new();
    let url = dir.database_empty();
    if Engine::current() == Engine::Sqlite {
        assert!(maintenance::pending(&url).await.is_err(), "looking makes no file");
        std::fs::write(url.strip_prefix("sqlite://").unwrap(), "").unwrap();
    }
    let missing = maintenance::pending(&url).await.unwrap();
    assert_eq!(missing.first().map(String::as_str), Some("0001 initial"));
    assert_eq!(maintenance::pending(&url).await.unwrap(), missing);
    assert_eq!(maintenance::migrate(&url, NOW).await.unwrap(), missing);
    assert!(maintenance::pending(&url).await.unwrap().is_empty());
    assert!(maintenance::migrate(&url, NOW).await.unwrap().is_empty());
}
