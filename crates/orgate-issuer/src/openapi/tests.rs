//! The document as a whole.

use std::{collections::BTreeSet, path::Path};

use http::Method;
use serde_json::Value;

use super::testing::document;
use crate::{
    Issuer, ManualClock, Settings,
    testing::{NOW, ORIGIN, Site, TempDir, settings, site},
};

/// Path, method and operation of everything in the document.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    document()["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods.iter().map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[test]
fn every_operation_has_a_name_of_its_own_and_a_good_answer() {
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations() {
        assert!(
            names.insert(operation["operationId"].as_str().unwrap()),
            "{method} {path}: the name is taken"
        );
        let statuses: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
        let good = statuses.iter().any(|status| status.starts_with('2') || status.starts_with('3'));
        // The page of a sign-in by passkey goes on, or says that it was none.
        assert!(good, "{method} {path}: {statuses:?}");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{method} {path}");
    }
    assert!(names.len() > 80, "{}", names.len());
}

#[test]
fn a_name_of_a_shape_is_given_once() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut names) = (vec![source], BTreeSet::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code.filter_map(|line| line.split_once(concat!("Na", "med(\""))) {
                let name = line.1.split('"').next().unwrap().to_owned();
                assert!(names.insert(name.clone()), "{}: `{name}` is another shape's name", path.display());
            }
        }
    }
    let schemas = document()["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas.keys().cloned().collect::<BTreeSet<_>>(), names, "shapes that are described and used");
}

#[orgate_testkit::both]
async fn every_operation_answers_as_the_document_has_it() {
    let site = site().await;
    let (visitor, operator) = (site.browser(), site.browser());
    for (path, method, operation) in operations() {
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
        if operator.cookie("session").is_none() {
            operator.operator("ops@example.com").await;
        }
        for (project, other) in [("proj_p", "x"), ("proj_none", "%FF"), ("%FF", "x")] {
            let filled = path.split('/').map(|segment| match segment {
                "{project}" => project,
                parameter if parameter.starts_with('{') => other,
                literal => literal,
            });
            let path = filled.collect::<Vec<_>>().join("/");
            // `send` compares each answer with the document.
            let reply = visitor.send(method.clone(), &path, &[], String::new()).await;
            assert_ne!(reply.status, 405, "{method} {path} is described, and there is no such route");
            if operation["security"].to_string().contains("operator") {
                assert_eq!(reply.status, if path.contains('%') { 400 } else { 401 }, "{method} {path}");
            }
            for body in ["null", "{}", "{\"x\":1,\"x\":2}"] {
                let json = [("content-type", "application/json"), ("origin", ORIGIN)];
                operator.send(method.clone(), &path, &json, body.to_owned()).await;
            }
            let form =
                [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site")];
            operator.send(method.clone(), &path, &form, "a=1&a=2".to_owned()).await;
        }
    }
}

#[orgate_testkit::both]
async fn the_document_that_is_shown_is_that_of_the_running_issuer() {
    let dir = TempDir::new();
    let mut settings = settings(&dir);
    settings.prefix = "/x".to_owned();
    let expected = Issuer::openapi(&settings).unwrap();
    let site = Site::with(settings, dir, ManualClock::at(NOW)).await;
    let reply = site.browser().get("/api/platform/openapi.json").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, expected.clone()));
    let shown: Value = serde_json::from_str(&expected).unwrap();
    assert!(shown["openapi"].as_str().unwrap().starts_with("3.1."), "{}", shown["openapi"]);
    assert_eq!(shown["servers"][0]["url"], ORIGIN);
    assert!(shown["paths"]["/x/login"].is_object() && shown["paths"]["/v1/auth/login"].is_null());
}

#[test]
fn the_document_is_that_of_the_public_url() {
    let shown = |url: &str| -> Value {
        serde_json::from_str(&Issuer::openapi(&Settings::new(url)).unwrap()).unwrap()
    };
    let below = shown("https://example.com/auth/");
    assert_eq!(below["servers"][0]["url"], "https://example.com/auth");
    let cookie = &below["components"]["securitySchemes"]["session"]["name"];
    assert_eq!(cookie, "__Host-orgate-{project}");
    assert!(Issuer::openapi(&Settings::new("id.example.com")).is_err());
}
