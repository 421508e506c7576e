use serde_json::json;

use super::*;

fn get(bench: &Bench, path: &str) -> (u16, Value) {
    let keys = bench.second();
    let reply = bench.rest(&keys, "eks", ("GET", path), &[], b"");
    let (head, content) = reply.response.into_parts();
    (head.status.as_u16(), serde_json::from_slice(&content.bytes()).unwrap())
}

/// The documented world with more clusters.
fn clusters(more: usize) -> Bench {
    let one = |number| format!("[[eks.clusters]]\naccount = '222222222222'\nname = 'c{number}'\n");
    bench(&format!("{TWO_ACCOUNTS}\n{}", (0..more).map(one).collect::<String>()))
}

#[test]
fn clusters_come_in_pages() {
    let bench = clusters(2);
    assert_eq!(
        get(&bench, "/clusters"),
        (200, json!({ "clusters": ["c0", "c1", "target"], "nextToken": null }))
    );
    let (_, first) = get(&bench, "/clusters?maxResults=2");
    assert_eq!(first["clusters"], json!(["c0", "c1"]));
    let next = first["nextToken"].as_str().unwrap();
    let (_, second) = get(&bench, &format!("/clusters?maxResults=2&nextToken={next}"));
    assert_eq!(second, json!({ "clusters": ["target"], "nextToken": null }));
    for (query, code) in
        [("maxResults=0", 400), ("maxResults=101", 400), ("nextToken=!", 400), ("maxResults=x", 400)]
    {
        let (status, body) = get(&bench, &format!("/clusters?{query}"));
        assert_eq!(status, code, "{query}: {body}");
        assert!(body["message"].is_string(), "{body}");
    }
}

#[test]
fn a_cluster_that_is_not_here_is_not_found() {
    let (status, body) = get(&clusters(0), "/clusters/nowhere");
    assert_eq!((status, &body["message"]), (404, &json!("No cluster found for name: nowhere.")));
}

#[test]
fn a_cluster_in_the_making_has_no_api_server() {
    let bench = bench(&TWO_ACCOUNTS.replace("name = \"target\"", "name = \"target\"\nstatus = 'CREATING'"));
    bench.cloud.eks().listens(0, "https://x".into(), "pem".into());
    let (_, body) = get(&bench, "/clusters/target");
    assert_eq!(body["cluster"]["status"], "CREATING");
    assert!(body["cluster"].get("endpoint").is_none(), "{body}");
    let ready = clusters(0);
    ready.cloud.eks().listens(0, "https://x".into(), "pem".into());
    assert_eq!(get(&ready, "/clusters/target").1["cluster"]["endpoint"], "https://x");
}
