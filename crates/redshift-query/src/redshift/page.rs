//! Pages of results, as they come: what reads them is in [`result::page`](crate::result::page).

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_redshiftdata::operation::get_statement_result::GetStatementResultOutput;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, Error, Output,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use job_runtime::CallError;

use super::{RESULT, Service};

/// A page that nobody has read yet.
#[derive(Debug)]
pub(crate) struct Page(SdkBody);

impl Page {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.bytes().unwrap_or_default()
    }
}

impl Service<'_> {
    /// Fetches the page of a result that `next` names, or the first.
    pub(crate) async fn page(&self, id: &str, next: Option<&str>) -> Result<Page, CallError> {
        let body = Body::default();
        let call = self.client.get_statement_result().id(id).set_next_token(next.map(str::to_owned));
        let answer = call.customize().interceptor(Keep(body.clone())).send().await;
        answer.map_err(|error| CallError::new(RESULT, &error))?;
        let page = body.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        page.map(Page).ok_or_else(|| CallError::unusable(RESULT, "it was answered without a page"))
    }
}

/// Where the body of an answer is put.
#[derive(Debug, Clone, Default)]
struct Body(Arc<Mutex<Option<SdkBody>>>);

/// Takes the place of the SDK's reader of pages where there is a page to read.
#[derive(Debug)]
struct Keep(Body);

#[dyn_dispatch_hint]
impl Intercept for Keep {
    fn name(&self) -> &'static str {
        "KeepPage"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.response().status().is_success() {
            cfg.interceptor_state().store_put(SharedResponseDeserializer::new(Keeper(self.0.clone())));
        }
        Ok(())
    }
}

/// Keeps the body instead of reading it.
#[derive(Debug)]
struct Keeper(Body);

impl DeserializeResponse for Keeper {
    fn deserialize_nonstreaming_with_config(
        &self,
        answer: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        // A second attempt that is refused, after a first one that broke off, ends here too: its status says enough.
        let body = answer
            .body()
            .try_clone()
            .filter(|body| answer.status().is_success() && body.bytes().is_some_and(is_object));
        let Some(body) = body else { return Err(OrchestratorError::response("it is no page".into())) };
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        let empty = GetStatementResultOutput::builder().set_records(Some(Vec::new())).build();
        empty.map(Output::erase).map_err(OrchestratorError::other)
    }
}

/// Whether it looks like a JSON object, as far as its ends tell: what does not is asked for again.
fn is_object(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    body.starts_with(b"{") && body.ends_with(b"}")
}
