//! Somebody who belongs to a thousand organizations: the page shows some of them, leads to the others, and finds them.

use std::collections::BTreeSet;

use super::*;
use crate::{
    db::sql,
    testing::{Browser, NOW, Site},
};

/// Makes `d` the owner of a thousand organizations more.
async fn many(site: &Site) {
    site.write(|tx| {
        Box::pin(async move {
            let organizations = sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                 INSERT INTO organizations (id, project_id, name, slug, owner_member_id, created_at, updated_at)
                 SELECT 'org_s' || CAST(1000 + i AS TEXT), 'proj_p', 'Shop ' || CAST(i AS TEXT),
                        's-' || CAST(i AS TEXT), 'mem_o' || CAST(1000 + i AS TEXT), $1, $1 FROM n");
            tx.run(organizations.bind(NOW)).await?;
            let owned = sql("INSERT INTO memberships (id, project_id, org_id, user_id, role_key, created_at, updated_at)
                 SELECT owner_member_id, 'proj_p', id, 'usr_d', 'owner', $1, $1
                 FROM organizations WHERE id LIKE 'org_s%'");
            tx.run(owned.bind(NOW)).await.map(|_| ())
        })
    })
    .await;
}

/// The organizations of a page, in order, and where it goes on.
fn read(html: &str) -> (Vec<String>, Option<String>) {
    let values = html.split("name=\"org_id\" value=\"").skip(1);
    let all = values.map(|rest| rest.split('"').next().unwrap().to_owned()).filter(|id| !id.is_empty());
    let more = html.split("<p class=\"small\"><a href=\"").nth(1).map(|rest| {
        let link = rest.split('"').next().unwrap().replace("&#x2f;", "/").replace("&amp;", "&");
        let (_, path) = link.split_once("/p/proj_p/").unwrap();
        format!("/p/proj_p/{path}")
    });
    (all.collect(), more)
}

async fn page(browser: &Browser, path: &str) -> String {
    let reply = browser.get(path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

#[orgate_testkit::both]
async fn the_picker_of_somebody_in_a_thousand_organizations_is_a_page_that_goes_on() {
    let site = site().await;
    many(&site).await;
    let browser = site.browser();
    let entered = browser.login("d@example.com", PASSWORD, &[]).await;
    let first = entered.location();
    let (mut seen, mut pages, mut next) = (BTreeSet::new(), 0, Some(first.clone()));
    while let Some(path) = next {
        let (all, more) = read(&page(&browser, &path).await);
        assert!((1..=50).contains(&all.len()), "{}", all.len());
        for id in all {
            assert!(seen.insert(id.clone()), "{id} is shown twice");
        }
        (pages, next) = (pages + 1, more);
    }
    assert_eq!((seen.len(), pages), (1002, 21));

    let found = async |text: &str| read(&page(&browser, &format!("{first}&q={text}")).await).0;
    assert_eq!(found("shop+777").await, ["org_s1777"]);
    assert_eq!(found("S-777").await, ["org_s1777"]);
    assert_eq!(found("acme").await, ["org_acme"]);
    for nothing in ["%25", "s!", "shop_1", "globexx"] {
        assert!(found(nothing).await.is_empty(), "{nothing}");
    }
    let many = page(&browser, &format!("{first}&q=shop")).await;
    let (all, more) = read(&many);
    let (others, _) = read(&page(&browser, &more.unwrap()).await);
    assert!(all.len() == 50 && others.len() == 50 && others.iter().all(|id| !all.contains(id)));

    // What is worked in is offered, wherever it stands in the list.
    let done = browser.pick(&entered, "org_s1999").await;
    assert!(done.parameter("code").is_some(), "{done:?}");
    let again = page(&browser, &browser.authorize(&[]).await.location()).await;
    assert!(again.contains("value=\"org_s1999\" required checked"));
    assert_eq!(read(&again).0[0], "org_s1999");
}
