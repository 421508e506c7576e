//! One request from its bytes to its answer: route, authenticate, spoil, work, write down.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use serde_json::Value;
use time::OffsetDateTime;

use crate::answer::{Answer, Content, Ready};
use crate::clock::http_date;
use crate::cloud::Cloud;
use crate::crypto::uuid;
use crate::fault::FaultKind;
use crate::identity::Caller;
use crate::metadata;
use crate::mutate::mutated;
use crate::protocol::Protocol;
use crate::record::Call;
use crate::refusal::Refusal;
use crate::s3;
use crate::service::{Request, Service};
use crate::sigv4::{Claim, Signed};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) method: String,
    /// As in the request line.
    pub(crate) path: String,
    /// As in the request line, without `?`.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) connection: Connection,
}

/// What carried a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    /// Its number, from 1.
    pub(crate) number: u64,
    pub(crate) secure: bool,
    /// Through the proxy port, in the clear.
    pub(crate) proxied: bool,
}

/// What to send back, and how.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response<Content>,
    /// The work is done by then.
    pub(crate) ready: Ready,
    pub(crate) delivery: Delivery,
    /// A request that has not taken effect yet.
    pub(crate) late: Option<Late>,
}

/// A request that takes effect when its response has been lost already.
#[derive(Debug)]
pub(crate) struct Late {
    due: OffsetDateTime,
    service: Service,
    operation: String,
    parameters: Value,
    caller: Option<Arc<Caller>>,
    region: String,
    id: String,
    incoming: Incoming,
}

impl Late {
    /// Waits until it is due.
    pub(crate) async fn wait(&self, cloud: &Cloud) {
        Ready::At(self.due).wait(cloud).await;
    }

    /// Does the work; the response is lost.
    pub(crate) fn work(&self, cloud: &Cloud) {
        let request = Request {
            service: self.service,
            operation: &self.operation,
            parameters: &self.parameters,
            caller: self.caller.clone(),
            region: &self.region,
            id: &self.id,
            now: cloud.clock.now(),
            incoming: &self.incoming,
        };
        let _ = self.service.answer(cloud, &request);
    }
}

/// How an answer is delivered once the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Now,
    After(Duration),
    /// Half of the body, then the end of the connection.
    CutShort,
    /// A reset instead of an answer.
    Reset,
    /// A reset this long after the request, whether the work is done or not.
    ResetIn(Duration),
    Never,
}

impl Delivery {
    /// Does any answer come?
    fn answers(self) -> bool {
        !matches!(self, Self::Reset | Self::ResetIn(_) | Self::Never)
    }
}

impl Incoming {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The fields of a form: the body of a POST, else the query.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let posted = self
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        let text: &[u8] = if self.method == "POST" && posted { &self.body } else { self.query.as_bytes() };
        form_urlencoded::parse(text).into_owned().collect()
    }

    /// The form's `Action`.
    pub(crate) fn action(&self) -> Option<String> {
        self.form().into_iter().find(|(name, _)| name == "Action").map(|(_, action)| action)
    }

    fn signed(&self) -> Signed<'_> {
        Signed {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
            secure: self.connection.secure,
        }
    }

    /// The region in the name of an AWS endpoint; names without one are those of us-east-1.
    fn endpoint_region(&self) -> Option<&str> {
        let host = self.header("host")?.split(':').next()?;
        let labels = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"]
            .iter()
            .find_map(|tail| host.strip_suffix(tail))?;
        // A bucket can stand before the name of S3, which is then the last label.
        let region = labels.rsplit_once('.').map(|(_, region)| region).filter(|region| *region != "s3");
        Some(region.unwrap_or("us-east-1"))
    }
}

/// Answers a request and writes it down.
pub(crate) fn dispatch(cloud: &Cloud, incoming: &Incoming) -> Reply {
    let request_id = uuid();
    let at = cloud.clock.elapsed();
    let now = cloud.clock.now();
    let mut handling =
        Handling { cloud, incoming, request_id: &request_id, now, seen: Seen::default(), late: None };
    let (answer, delivery) = handling.run();
    let (seen, late) = (handling.seen, handling.late);
    cloud.called(Call {
        service: seen.service.map_or("unknown", Service::name).into(),
        operation: seen.operation,
        account: seen.caller.as_ref().map_or_else(String::new, |caller| caller.account.clone()),
        region: seen.region,
        caller: seen.caller.as_ref().map_or_else(String::new, |caller| caller.arn.clone()),
        access_key: seen.access_key,
        status: delivery.answers().then_some(answer.status),
        error: answer.error.clone(),
        request_id: request_id.clone(),
        fault: seen.fault,
        at,
        connection: incoming.connection.number,
        secure: incoming.connection.secure,
        proxied: incoming.connection.proxied,
        user_agent: incoming.header("user-agent").unwrap_or_default().into(),
        parameters: seen.parameters,
    });
    let ready = answer.ready.clone();
    let s3 = seen.service == Some(Service::S3);
    let mut response = response(answer, &request_id, cloud.clock.now(), s3);
    // Instance metadata tells the life of a token in a header, as it was asked for in one.
    if let Some(life) = incoming.headers.get(metadata::LIFE_HEADER) {
        response.headers_mut().insert(metadata::LIFE_HEADER, life.clone());
    }
    Reply { response, ready, delivery, late }
}

/// What has been found out about a request so far.
#[derive(Default)]
struct Seen {
    service: Option<Service>,
    operation: String,
    caller: Option<Arc<Caller>>,
    region: String,
    access_key: String,
    fault: Option<&'static str>,
    parameters: Value,
}

struct Handling<'a> {
    cloud: &'a Cloud,
    incoming: &'a Incoming,
    request_id: &'a str,
    now: OffsetDateTime,
    seen: Seen,
    late: Option<Late>,
}

impl Handling<'_> {
    fn run(&mut self) -> (Answer, Delivery) {
        let Some((service, operation)) = Service::route(self.cloud, self.incoming) else {
            let protocol = Protocol::Json { version: "1.1", target: "", message: "message" };
            let refusal = Refusal { status: 404, ..protocol.unknown_operation("") };
            self.seen.operation = format!("{} {}", self.incoming.method, self.incoming.path);
            return (protocol.refuse(&refusal, self.request_id), Delivery::Now);
        };
        self.seen.service = Some(service);
        self.seen.operation.clone_from(&operation);
        let protocol = service.protocol();
        let refuse = |refusal: Refusal| protocol.refuse(&refusal, self.request_id);

        let parameters = match self.authenticate(service, &operation) {
            Ok(()) => service.parameters(&operation, self.incoming),
            Err(refusal) => return (refuse(refusal), Delivery::Now),
        };
        let parameters = match parameters {
            Ok(parameters) => parameters,
            Err(refusal) => return (refuse(refusal), Delivery::Now),
        };
        self.remember(&parameters);

        let fault = self.cloud.faults().strike(service.name(), &operation);
        self.seen.fault = fault.as_ref().map(FaultKind::name);
        match &fault {
            Some(FaultKind::Status { status, code, message }) => {
                return (refuse(Refusal::new(*status, code, message)), Delivery::Now);
            }
            Some(FaultKind::Throttle) => return (refuse(service.throttled()), Delivery::Now),
            Some(FaultKind::ResetBefore) => return (protocol.accept(String::new()), Delivery::Reset),
            Some(FaultKind::Hang) => return (protocol.accept(String::new()), Delivery::Never),
            Some(FaultKind::Late(time)) => {
                self.late = Some(Late {
                    due: self.now + *time,
                    service,
                    operation,
                    parameters,
                    caller: self.seen.caller.clone(),
                    region: self.seen.region.clone(),
                    id: self.request_id.into(),
                    incoming: self.incoming.clone(),
                });
                return (protocol.accept(String::new()), Delivery::Reset);
            }
            _ => {}
        }

        let request = Request {
            service,
            operation: &operation,
            parameters: &parameters,
            caller: self.seen.caller.clone(),
            region: &self.seen.region,
            id: self.request_id,
            now: self.now,
            incoming: self.incoming,
        };
        let answer = match service.answer(self.cloud, &request) {
            Ok(answer) => answer,
            Err(refusal) => refuse(refusal),
        };
        match fault {
            Some(FaultKind::HangThenReset(time)) => (answer, Delivery::ResetIn(time)),
            Some(FaultKind::ResetAfter) => (answer, Delivery::Reset),
            Some(FaultKind::HangAfter) => (answer, Delivery::Never),
            Some(FaultKind::Slow(time)) => (answer, Delivery::After(time)),
            Some(FaultKind::Truncated) => (answer, Delivery::CutShort),
            Some(FaultKind::Garbage) => {
                let garbage = protocol.accept("\u{1}%PDF{]} no such format".into());
                (garbage.ready(answer.ready), Delivery::Now)
            }
            Some(FaultKind::Mutated(seed)) => {
                let mut answer = answer;
                if let Content::Whole(body) = &mut answer.content {
                    *body = mutated(body, seed).into();
                }
                (answer, Delivery::Now)
            }
            _ => (answer, Delivery::Now),
        }
    }

    fn authenticate(&mut self, service: Service, operation: &str) -> Result<(), Refusal> {
        let host_region = self.incoming.endpoint_region();
        self.seen.region = host_region.unwrap_or_default().into();
        if !service.is_signed(operation) {
            return Ok(());
        }
        let protocol = service.protocol();
        let refusal = |problem| protocol.not_authentic(problem);
        let claim = Claim::find(self.incoming.signed()).map_err(refusal)?;
        self.seen.region.clone_from(&claim.region);
        self.seen.access_key.clone_from(&claim.access_key);
        let credential = self.cloud.directory().credential(&claim.access_key);
        let credential = credential.ok_or_else(|| protocol.unknown_key())?;
        if credential.token != claim.token {
            return Err(protocol.wrong_token());
        }
        self.seen.caller = Some(credential.caller);
        if credential.expires.is_some_and(|expires| expires <= self.now) {
            return Err(protocol.expired_session());
        }
        let key = self.cloud.signing_keys().of(&claim, &credential.secret);
        let name = service.signing_name();
        claim.verify(self.incoming.signed(), &key, name, host_region, self.now).map_err(refusal)
    }

    /// Keeps the parameters for the record, but for the token among them, which is a secret.
    fn remember(&mut self, parameters: &Value) {
        // Shorter ones are no tokens, and would be found in innocent text.
        const SHORTEST_TOKEN: usize = 32;
        self.seen.parameters.clone_from(parameters);
        if let Some(Value::String(token)) = self.seen.parameters.get_mut("WebIdentityToken") {
            if token.len() >= SHORTEST_TOKEN {
                self.cloud.record().secret(token.as_str());
            }
            *token = "(hidden)".into();
        }
    }
}

fn response(answer: Answer, request_id: &str, now: OffsetDateTime, s3: bool) -> Response<Content> {
    let mut response = Response::builder().status(answer.status).header("date", http_date(now));
    response = if s3 {
        response.header("x-amz-request-id", request_id).header("x-amz-id-2", s3::host_id(request_id))
    } else {
        response.header("x-amzn-RequestId", request_id)
    };
    if let Some(content_type) = answer.content_type {
        response = response.header("content-type", content_type);
    }
    // S3 says it in the body alone. Numbers stand for refusals that name no code.
    if let Some(code) = answer.error.filter(|code| !s3 && code.parse::<u16>().is_err()) {
        response = response.header("x-amzn-errortype", code);
    }
    for (name, value) in answer.headers {
        response = response.header(name.as_ref(), value);
    }
    // A world's fault can name a status or code that HTTP cannot carry.
    response.body(answer.content).unwrap_or_else(|_| {
        let text = Bytes::from_static(b"the fault's status or code cannot be sent");
        let mut response = Response::new(Content::Whole(text));
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
