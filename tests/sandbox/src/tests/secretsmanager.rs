use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:secretsmanager:us-east-2:222222222222:secret:orders-db-AbCdEf";
const KEY: &str = "arn:aws:kms:us-east-2:222222222222:key/1";

/// The documented world with more secrets, and more rights for the external role and for the pod's.
fn vault() -> Bench {
    let world = TWO_ACCOUNTS.replace(
        "\"secretsmanager:DescribeSecret on arn:aws:secretsmanager:us-east-2:222222222222:secret:orders-db-*\",",
        "\"secretsmanager:* on arn:aws:secretsmanager:*:222222222222:secret:*\", \"kms:Decrypt on *:key/1\",",
    );
    let world = world.replace(
        "allow = [\"sts:AssumeRole on arn:aws:iam::222222222222:role/external-glue\"]",
        "allow = [\"sts:AssumeRole on *\", \"secretsmanager:GetSecretValue on *\", \"kms:Decrypt on *:key/1\"]",
    );
    let secret = |name: &str, more: &str| {
        format!("[[secretsmanager.secrets]]\naccount = '222222222222'\nname = '{name}'\n{more}\n")
    };
    let more = [
        secret("bytes", "binary = 'AP+A'"),
        secret("empty", ""),
        secret("gone", "string = 'x'\ndeleted = true"),
        secret("own-key", &format!("string = 'in own key'\nkms_key = '{KEY}'")),
        secret("other-key", "string = 'x'\nkms_key = 'arn:aws:kms:us-east-2:222222222222:key/2'"),
        secret("broken-key", &format!("string = 'x'\nkms_key = '{KEY}'\nundecryptable = true")),
        secret(
            "shared",
            &format!("string = 'for both'\nkms_key = '{KEY}'\nallow_accounts = ['111111111111']"),
        ),
        secret("half-shared", "string = 'x'\nallow_accounts = ['111111111111']"),
        secret("far", "string = 'x'\nregion = 'eu-west-1'"),
        secret("old", "string = 'new one'\nprevious = 'old one'"),
    ];
    bench(&[world, more.concat()].concat())
}

impl Bench {
    fn read(&self, keys: &Keys, parameters: &Value) -> (u16, Value) {
        self.json(keys, "secretsmanager.GetSecretValue", parameters)
    }

    /// `Code: text` of a refusal.
    fn refused(&self, keys: &Keys, parameters: &Value) -> String {
        let (status, answer) = self.read(keys, parameters);
        let text = answer["Message"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(status, 400, "{answer}");
        format!("{}: {text}", answer["__type"].as_str().unwrap())
    }
}

#[test]
fn a_secret_by_its_name_and_its_arn() {
    let bench = vault();
    let keys = bench.second();
    for id in ["orders-db", ARN, ARN.strip_suffix("-AbCdEf").unwrap()] {
        let (status, answer) = bench.read(&keys, &json!({ "SecretId": id }));
        assert_eq!(
            (status, answer["ARN"].as_str(), answer["Name"].as_str()),
            (200, Some(ARN), Some("orders-db"))
        );
        assert_eq!(answer["VersionStages"], json!(["AWSCURRENT"]));
        let secret: Value = serde_json::from_str(answer["SecretString"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&secret["username"], &secret["password"]),
            (&json!("app"), &json!("pa55-of-app-in-mydb"))
        );
        assert!(answer["CreatedDate"].is_number() && answer.get("SecretBinary").is_none());
    }
    let (_, answer) = bench.read(&keys, &json!({ "SecretId": "bytes" }));
    assert_eq!((answer["SecretBinary"].as_str(), answer.get("SecretString")), (Some("AP+A"), None));
    let (_, answer) = bench.read(&keys, &json!({ "SecretId": "own-key" }));
    assert_eq!(answer["SecretString"], "in own key");
}

#[test]
fn secrets_that_cannot_be_read() {
    let bench = vault();
    let keys = bench.second();
    let none = "ResourceNotFoundException: Secrets Manager can't find the specified secret.";
    let other = "0123456789abcdef0123456789abcdef";
    for (parameters, expected) in [
        (json!({ "SecretId": "nothing" }), none.to_owned()),
        (json!({ "SecretId": "orders-db-AbCdEf" }), none.to_owned()),
        (json!({ "SecretId": ARN.replace("AbCdEf", "AbCdEg") }), none.to_owned()),
        (json!({ "SecretId": "far" }), none.to_owned()),
        (
            json!({ "SecretId": "empty" }),
            "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: \
             AWSCURRENT"
                .into(),
        ),
        (
            json!({ "SecretId": ARN, "VersionStage": "AWSPREVIOUS" }),
            "ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: \
             AWSPREVIOUS"
                .into(),
        ),
        (
            json!({ "SecretId": ARN, "VersionId": other }),
            format!(
                "ResourceNotFoundException: Secrets Manager can't find the specified secret value for VersionId: {other}"
            ),
        ),
        (
            json!({ "SecretId": "gone" }),
            "InvalidRequestException: You can't perform this operation on the secret because it was marked for \
             deletion."
                .into(),
        ),
        (json!({ "SecretId": "other-key" }), "AccessDeniedException: Access to KMS is not allowed".into()),
        (
            json!({ "SecretId": "broken-key" }),
            "DecryptionFailure: Secrets Manager can't decrypt the protected secret text using the provided KMS key."
                .into(),
        ),
        (
            json!({}),
            "ValidationException: 1 validation error detected: Value null at 'secretId' failed to satisfy constraint: \
             Member must not be null"
                .into(),
        ),
    ] {
        assert_eq!(bench.refused(&keys, &parameters), expected, "{parameters}");
    }
    let refused = bench.refused(&keys, &json!({ "SecretId": ARN, "VersionId": "short" }));
    assert!(
        refused.starts_with("ValidationException: 1 validation error detected: Value 'short' at 'versionId'")
    );
}

#[test]
fn another_account_needs_leave_of_both_sides_and_a_key() {
    let bench = vault();
    let first = bench.first();
    let arn = |name: &str| ARN.replace("orders-db", name);
    let (_, answer) = bench.read(&first, &json!({ "SecretId": arn("shared") }));
    assert_eq!(answer["SecretString"], "for both");
    let refused = bench.refused(&first, &json!({ "SecretId": ARN }));
    assert!(refused.starts_with("AccessDeniedException: User: arn:aws:sts::111111111111:"), "{refused}");
    assert!(refused.ends_with(&format!(
        "on resource: {ARN} because no resource-based policy allows the secretsmanager:GetSecretValue action"
    )));
    assert_eq!(
        bench.refused(&first, &json!({ "SecretId": arn("half-shared") })),
        "InvalidRequestException: You can't access a secret from a different AWS account if you encrypt the secret with \
         the default KMS service key."
    );
    // A name means one's own account.
    let refused = bench.refused(&first, &json!({ "SecretId": "shared" }));
    assert_eq!(refused, "ResourceNotFoundException: Secrets Manager can't find the specified secret.");
    let poor = two_accounts();
    for (keys, name) in [(poor.first(), "orders-db"), (poor.second(), "shared")] {
        let refused = poor.refused(&keys, &json!({ "SecretId": name }));
        let tail = format!(
            "on resource: {name} because no identity-based policy allows the secretsmanager:GetSecretValue action"
        );
        assert!(refused.starts_with("AccessDeniedException: ") && refused.ends_with(&tail), "{refused}");
    }
}

#[test]
fn a_rotation_leaves_the_former_value_for_one_turn() {
    let bench = vault();
    let keys = bench.second();
    let read = |more: Value| {
        let mut parameters = json!({ "SecretId": "old" });
        parameters.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        bench.read(&keys, &parameters).1["SecretString"].clone()
    };
    let describe = || bench.json(&keys, "secretsmanager.DescribeSecret", &json!({ "SecretId": "old" })).1;
    assert_eq!(read(json!({})), "new one");
    assert_eq!(read(json!({ "VersionStage": "AWSPREVIOUS" })), "old one");
    let stages = describe()["VersionIdsToStages"].clone();
    let first = stages.as_object().unwrap().iter().find(|(_, stages)| **stages == json!(["AWSPREVIOUS"]));
    let first = first.unwrap().0.clone();
    assert_eq!(read(json!({ "VersionId": first })), "old one");

    let newest = bench.cloud.rotate_secret("old", r#"{"db_password": "new \"pass\""}"#.into()).unwrap();
    assert_eq!(read(json!({ "VersionStage": "AWSPREVIOUS" })), "new one");
    assert_eq!(read(json!({})), r#"{"db_password": "new \"pass\""}"#);
    assert_eq!(read(json!({ "VersionId": newest, "VersionStage": "AWSCURRENT" })), read(json!({})));
    assert_eq!(read(json!({ "VersionId": newest, "VersionStage": "AWSPREVIOUS" })), Value::Null);
    // Without a stage it can still be read, but is not told.
    assert_eq!(read(json!({ "VersionId": first })), "old one");
    assert_eq!(describe()["VersionIdsToStages"].as_object().unwrap().len(), 2);
    assert_eq!(describe()["ARN"], "arn:aws:secretsmanager:us-east-2:222222222222:secret:old-AbCdEf");
    assert!(bench.cloud.rotate_secret("nothing", String::new()).is_err());

    let secrets = &bench.cloud.record().secrets;
    for secret in ["old one", "new one", "new \"pass\"", r#"new \"pass\""#, "pa55-of-app-in-mydb"] {
        assert!(secrets.contains(secret), "{secret}");
    }
    assert!(!secrets.contains("app") && !secrets.contains("mydb"));
}
