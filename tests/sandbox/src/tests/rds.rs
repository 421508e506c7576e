use crate::rds::{Knock, LoginRefusal, login, token};
use crate::sigv4::Presigned;

use super::*;

const RESOURCE: &str = "cluster-EXAMPLEABCDEFGHIJKLMNOPQRS";
const ENDPOINT: &str = "mydb.cluster-abc123.us-east-2.rds.amazonaws.com:5432";
const USER: &str = "iam_demo_user";

fn knock(token: &str) -> Knock<'_> {
    Knock { resource_id: RESOURCE, port: 5432, user: USER, token }
}

/// What a token says, before it is signed.
fn claims(keys: &Keys) -> Presigned<'_> {
    Presigned {
        host: ENDPOINT,
        parameters: &[("Action", "connect"), ("DBUser", USER)],
        region: "us-east-2",
        service: "rds-db",
        access_key: &keys.id,
        token: keys.token.as_deref(),
        seconds: 900,
    }
}

impl Bench {
    fn sign(&self, claims: Presigned<'_>, secret: &str) -> String {
        format!("{}/?{}", claims.host, claims.sign(secret, self.cloud.clock.now()))
    }

    fn log_in(&self, token: &str) -> Result<(), LoginRefusal> {
        login(&self.cloud, knock(token))
    }
}

#[test]
fn a_token_opens_one_door() {
    use LoginRefusal::*;

    let bench = two_accounts();
    let (keys, first) = (bench.second(), bench.first());
    let good = claims(&keys);
    let reader = "mydb.cluster-ro-abc123.us-east-2.rds.amazonaws.com:5432";
    for (claims, expected) in [
        (good, None),
        (Presigned { host: reader, ..good }, None),
        (Presigned { service: "rds", ..good }, Some(NotForRds)),
        (Presigned { parameters: &[("Action", "Connect"), ("DBUser", USER)], ..good }, Some(NotForRds)),
        (Presigned { host: "db.example.com:5432", ..good }, Some(WrongHost)),
        (Presigned { host: "mydb.cluster-abc123.us-east-2.rds.amazonaws.com:5433", ..good }, Some(WrongPort)),
        (Presigned { host: "mydb.cluster-abc123.us-east-2.rds.amazonaws.com", ..good }, Some(WrongPort)),
        (Presigned { parameters: &[("Action", "connect"), ("DBUser", "app")], ..good }, Some(WrongUser)),
        (Presigned { parameters: &[("Action", "connect")], ..good }, Some(WrongUser)),
        (Presigned { region: "us-east-1", ..good }, Some(WrongRegion)),
        (Presigned { access_key: "ASIANOBODY", ..good }, Some(UnknownKey)),
        (Presigned { token: first.token.as_deref(), ..good }, Some(UnknownKey)),
        (Presigned { token: None, ..good }, Some(UnknownKey)),
    ] {
        let end = bench.log_in(&bench.sign(claims, &keys.secret));
        assert_eq!(end.err(), expected, "{claims:?}");
    }
    let token = bench.sign(good, &keys.secret);
    for (token, expected) in [
        (bench.sign(good, &first.secret), WrongSignature),
        (token.replace("DBUser=", "x=y&DBUser="), WrongSignature),
        (format!("https://{token}"), WrongHost),
        (token.replace("&X-Amz-Signature=", "&Signature="), NotAToken),
        (token.split_once("/?").unwrap().1.to_owned(), NotAToken),
        ("secret".to_owned(), NotAToken),
        (String::new(), NotAToken),
    ] {
        assert_eq!(bench.log_in(&token), Err(expected), "{token}");
    }
    let foreign = bench.sign(claims(&first), &first.secret);
    assert_eq!(bench.log_in(&foreign), Err(WrongAccount));
    let nowhere = Knock { resource_id: "db-NONE", ..knock(&token) };
    assert_eq!(login(&bench.cloud, nowhere), Err(NoSuchDatabase));
    let other = bench.sign(
        Presigned { parameters: &[("Action", "connect"), ("DBUser", "iam_other_user")], ..good },
        &keys.secret,
    );
    assert_eq!(login(&bench.cloud, Knock { user: "iam_other_user", ..knock(&other) }), Err(NotAllowed));
}

#[test]
fn tokens_and_their_sessions_end() {
    let bench = two_accounts();
    let keys = bench.second();
    let (long, short) = (claims(&keys), Presigned { seconds: 60, ..claims(&keys) });
    let endless = bench.sign(Presigned { seconds: 86_400, ..long }, &keys.secret);
    let (long, short) = (bench.sign(long, &keys.secret), bench.sign(short, &keys.secret));
    bench.advance(Duration::from_secs(62));
    assert_eq!((bench.log_in(&long), bench.log_in(&short)), (Ok(()), Err(LoginRefusal::Expired)));
    bench.advance(Duration::from_secs(836));
    assert_eq!(bench.log_in(&long), Ok(()));
    bench.advance(Duration::from_secs(4));
    assert_eq!(bench.log_in(&long), Err(LoginRefusal::Expired));
    assert_eq!(bench.log_in(&endless), Err(LoginRefusal::Expired));

    let fresh = bench.sign(claims(&keys), &keys.secret);
    assert_eq!(bench.log_in(&fresh), Ok(()));
    bench.cloud.expire_sessions();
    assert_eq!(bench.log_in(&fresh), Err(LoginRefusal::SessionDead));

    let early = format!("{ENDPOINT}/?{}", {
        let ahead = bench.cloud.clock.now() + time::Duration::minutes(6);
        claims(&keys).sign(&keys.secret, ahead)
    });
    assert_eq!(bench.log_in(&early), Err(LoginRefusal::NotYetValid));
}

#[test]
fn logins_are_written_down_and_tokens_are_secrets() {
    let bench = super::bench(&format!("session_token_length = 2000\n{TWO_ACCOUNTS}"));
    let token = token(&bench.cloud, SECOND, ENDPOINT, USER).unwrap();
    assert!(token.len() > 2300, "{}", token.len());
    assert_eq!((bench.log_in(&token), bench.log_in("short")), (Ok(()), Err(LoginRefusal::NotAToken)));
    let record = bench.cloud.record();
    let [good, bad] = &record.logins[..] else { panic!("{:?}", record.logins) };
    assert_eq!((good.resource_id.as_str(), good.user.as_str()), (RESOURCE, USER));
    assert_eq!(good.caller, "arn:aws:sts::222222222222:assumed-role/external-glue/token");
    assert_eq!((good.token_length, good.refused), (token.len(), None));
    assert_eq!((bad.caller.as_str(), bad.refused), ("", Some(LoginRefusal::NotAToken)));
    assert_eq!(bad.refused.unwrap().to_string(), "not-a-token");
    assert!(record.secrets.contains(&token));
    assert!(!record.secrets.contains("short"));
}
