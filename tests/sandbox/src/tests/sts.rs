use super::*;

/// What a refusal says: `Code: Message`.
fn refusal((status, xml): (u16, String)) -> String {
    format!("{status} {}: {}", element(&xml, "Code"), element(&xml, "Message"))
}

#[test]
fn a_chain_of_two_roles() {
    let bench = two_accounts();
    let keys = bench.second();
    let (status, xml) = bench.sts(Some(&keys), "GetCallerIdentity", &[]);
    assert_eq!((status, element(&xml, "Account")), (200, "222222222222".into()));
    assert_eq!(element(&xml, "Arn"), "arn:aws:sts::222222222222:assumed-role/external-glue/pod");
    assert!(element(&xml, "UserId").ends_with(":pod"));
    assert!(!element(&xml, "RequestId").is_empty());
    let record = bench.cloud.record();
    for secret in [&keys.secret, keys.token.as_ref().unwrap()] {
        assert!(record.secrets.contains(secret));
    }
    let hops: Vec<_> =
        record.calls.iter().map(|call| (call.operation.as_str(), call.caller.as_str())).collect();
    assert_eq!(hops[1], ("AssumeRole", "arn:aws:sts::111111111111:assumed-role/cats-glue/pod"));
    assert_eq!(record.calls[0].parameters["WebIdentityToken"], "(hidden)");
    assert_eq!(record.calls[1].parameters["RoleArn"], SECOND);
}

#[test]
fn web_identity_is_refused() {
    let bench = two_accounts();
    let good = bench.token();
    let hour = Duration::from_hours(1);
    let wrong_subject =
        bench.cloud.token("cluster", "system:serviceaccount:other:x", AUDIENCE, hour).unwrap();
    let wrong_audience = bench.cloud.token("cluster", SUBJECT, "vault", hour).unwrap();
    let stranger = bench.cloud.token("https://nobody.test", SUBJECT, AUDIENCE, hour).unwrap();
    let expired = bench.cloud.token("cluster", SUBJECT, AUDIENCE, Duration::ZERO).unwrap();
    let not_authorized = "403 AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";
    for (role, name, token, seconds, expected) in [
        (FIRST, "pod", &wrong_subject, "900", not_authorized),
        ("arn:aws:iam::111111111111:role/nobody", "pod", &good, "900", not_authorized),
        (FIRST, "pod", &wrong_audience, "900", "400 InvalidIdentityToken: Incorrect token audience"),
        (
            FIRST,
            "pod",
            &stranger,
            "900",
            "400 InvalidIdentityToken: No OpenIDConnect provider found in your account for https://nobody.test",
        ),
        (
            SECOND,
            "pod",
            &good,
            "900",
            "400 InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.eks",
        ),
        (FIRST, "pod", &expired, "900", "400 ExpiredTokenException: Token expired: current date/time"),
        (
            FIRST,
            "p d",
            &good,
            "900",
            "400 ValidationError: 1 validation error detected: Value 'p d' at 'roleSessionName'",
        ),
        (
            FIRST,
            "pod",
            &good,
            "899",
            "400 ValidationError: 1 validation error detected: Value '899' at 'durationSeconds'",
        ),
        (
            FIRST,
            "pod",
            &good,
            "3601",
            "400 ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ),
        (FIRST, "pod", &good, "soon", "400 MalformedInput"),
        (
            "role",
            "pod",
            &good,
            "900",
            "400 ValidationError: 1 validation error detected: Value 'role' at 'roleArn'",
        ),
    ] {
        let fields = [
            ("RoleArn", role),
            ("RoleSessionName", name),
            ("WebIdentityToken", token),
            ("DurationSeconds", seconds),
        ];
        let refusal = refusal(bench.sts(None, "AssumeRoleWithWebIdentity", &fields));
        assert!(refusal.starts_with(expected), "{refusal} instead of {expected}");
    }
    let missing = refusal(bench.sts(
        None,
        "AssumeRoleWithWebIdentity",
        &[("RoleArn", FIRST), ("RoleSessionName", "pod")],
    ));
    assert!(missing.contains("Value null at 'webIdentityToken'"), "{missing}");
}

/// One caller and a role whose trust is the test's; both sides otherwise agree.
fn trusting(trust: &str, allow: &str) -> (Bench, Keys) {
    let bench = bench(&format!(
        "[accounts.111111111111.users.ci]\naccess_key_id = 'AKIAIOSFODNN7EXAMPLE'\nsecret_access_key = 'wJalrXUtnFEMI'\n\
         allow = [{allow}]\n\
         [accounts.222222222222.roles.target]\nmax_session = '2h'\ntrust = [{{ principal = '111111111111', {trust} }}]\n"
    ));
    let keys = Keys { id: "AKIAIOSFODNN7EXAMPLE".into(), secret: "wJalrXUtnFEMI".into(), token: None };
    (bench, keys)
}

const TARGET: &str = "arn:aws:iam::222222222222:role/target";

#[test]
fn both_sides_must_agree() {
    let tags = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a")];
    let assume = "'sts:AssumeRole'";
    let all = "'sts:*'";
    let denied = |action: &str| {
        format!(
            "403 AccessDenied: User: arn:aws:iam::111111111111:user/ci is not authorized to perform: {action} on resource: {TARGET}"
        )
    };
    for (trust, allow, fields, expected) in [
        ("", assume, &[][..], None),
        ("", "", &[], Some(denied("sts:AssumeRole"))),
        ("", "'sts:AssumeRole on arn:aws:iam::222222222222:role/other'", &[], Some(denied("sts:AssumeRole"))),
        ("external_id = 'x1'", assume, &[], Some(denied("sts:AssumeRole"))),
        ("external_id = 'x1'", assume, &[("ExternalId", "x2")], Some(denied("sts:AssumeRole"))),
        ("external_id = 'x1'", assume, &[("ExternalId", "x1")], None),
        ("", all, &tags, Some(denied("sts:TagSession"))),
        ("tag_session = true", assume, &tags, Some(denied("sts:TagSession"))),
        ("tag_session = true", all, &tags, None),
        ("tag_session = true, required_tags = { team = 'b' }", all, &tags, Some(denied("sts:AssumeRole"))),
        ("", all, &[("SourceIdentity", "jane")], Some(denied("sts:SetSourceIdentity"))),
        ("set_source_identity = true", all, &[("SourceIdentity", "jane")], None),
    ] {
        let (bench, keys) = trusting(trust, allow);
        let fields = [&[("RoleArn", TARGET), ("RoleSessionName", "job")], fields].concat();
        let answer = bench.sts(Some(&keys), "AssumeRole", &fields);
        let refused = (answer.0 != 200).then(|| refusal(answer));
        assert_eq!(refused, expected, "trust {trust}, allow {allow}, {fields:?}");
    }
}

#[test]
fn durations_and_session_policies() {
    let (bench, keys) = trusting("", "'sts:*'");
    let assume = |extra: &[(&str, &str)]| {
        let fields = [&[("RoleArn", TARGET), ("RoleSessionName", "job")], extra].concat();
        bench.sts(Some(&keys), "AssumeRole", &fields)
    };
    assert_eq!(assume(&[("DurationSeconds", "7200")]).0, 200);
    let refused = refusal(assume(&[("DurationSeconds", "7201")]));
    assert!(refused.contains("exceeds the MaxSessionDuration"), "{refused}");
    assert!(refusal(assume(&[("Policy", "{}")])).contains("MalformedPolicyDocument"));
    assert!(
        refusal(assume(&[("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/Nothing")]))
            .contains("MalformedPolicyDocument")
    );
    let refused = refusal(assume(&[("TransitiveTagKeys.member.1", "team")]));
    assert!(refused.contains("must be included in the requested tags"), "{refused}");

    let bench = two_accounts();
    let first = bench.first();
    let fields = [("RoleArn", SECOND), ("RoleSessionName", "pod"), ("DurationSeconds", "3601")];
    let refused = refusal(bench.sts(Some(&first), "AssumeRole", &fields));
    assert_eq!(
        refused,
        "400 ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    );
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":"glue:GetJob","Resource":"*"}]}"#;
    let fields = [("RoleArn", SECOND), ("RoleSessionName", "pod"), ("Policy", policy)];
    let narrow = super::keys(&bench.sts(Some(&first), "AssumeRole", &fields).1);
    let job = serde_json::json!({ "JobName": "nightly-etl" });
    assert_eq!(bench.json(&narrow, "AWSGlue.GetJob", &job).0, 200);
    let (_, denied) = bench.json(&narrow, "AWSGlue.StartJobRun", &job);
    assert!(denied["Message"].as_str().unwrap().contains("because no session policy allows"), "{denied}");
}

#[test]
fn tags_of_pod_identity_go_on_down_the_chain() {
    let bench = bench(&format!(
        "{TWO_ACCOUNTS}\n[[container_credentials]]\npath = '/v1/credentials'\nrole = '{FIRST}'\n\
         authorization = 'pod-identity-token'\ntransitive_tags = {{ kubernetes-namespace = 'team-ns' }}\n"
    ));
    let get = |authorization: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", authorization.parse().unwrap());
        let response = bench.send("GET", "/v1/credentials", headers, "").response;
        (response.status().as_u16(), serde_json::from_slice::<Value>(&response.body().bytes()).unwrap())
    };
    assert_eq!(get("other").0, 403);
    let (status, document) = get("pod-identity-token");
    assert_eq!((status, document["RoleArn"].as_str()), (200, Some(FIRST)));
    let text = |member: &str| document[member].as_str().unwrap().to_owned();
    let pod = Keys { id: text("AccessKeyId"), secret: text("SecretAccessKey"), token: Some(text("Token")) };
    let answer = bench.sts(Some(&pod), "AssumeRole", &[("RoleArn", SECOND), ("RoleSessionName", "pod")]);
    let refused = refusal(answer);
    assert!(refused.contains("is not authorized to perform: sts:TagSession on resource"), "{refused}");
    assert!(bench.cloud.record().secrets.contains("pod-identity-token"));
}

#[test]
fn sessions_end() {
    let bench = bench(&format!("session_seconds = 2\n{TWO_ACCOUNTS}"));
    let keys = bench.first();
    assert_eq!(bench.sts(Some(&keys), "GetCallerIdentity", &[]).0, 200);
    bench.advance(Duration::from_secs(3));
    let expired = refusal(bench.sts(Some(&keys), "GetCallerIdentity", &[]));
    assert_eq!(expired, "403 ExpiredToken: The security token included in the request is expired");
}

#[test]
fn instance_metadata() {
    let bench = bench(&format!("instance_metadata = {{ role = '{FIRST}' }}\n{TWO_ACCOUNTS}"));
    let send = |method, path, name: &'static str, value: &str| {
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())]);
        let response = bench.send(method, path, headers, "").response;
        (response.status().as_u16(), String::from_utf8_lossy(&response.body().bytes()).into_owned())
    };
    let roles = "/latest/meta-data/iam/security-credentials/";
    let (life, token) = ("x-aws-ec2-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token");
    assert_eq!(send("GET", roles, token, "x").0, 401);
    assert_eq!(send("PUT", "/latest/api/token", life, "99999").0, 400);
    let (_, given) = send("PUT", "/latest/api/token", life, "21600");
    assert_eq!(send("GET", roles, token, &given), (200, "cats-glue".into()));
    let (status, document) = send("GET", &format!("{roles}cats-glue"), token, &given);
    assert_eq!(status, 200);
    assert!(document.contains("\"Code\":\"Success\""), "{document}");
}
