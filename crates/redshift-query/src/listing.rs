//! Lists: statements of the last day, and what there is in a database.

use std::cmp::Reverse;

use job_runtime::{CallError, Ended, Report, Sink};
use sql_text::{Cell, Rows, columns};

use crate::error::Error;
use crate::redshift::{Catalog, Entry, Filter, Listed, Service};
use crate::show::Show;
use crate::sql;

/// Statements of one page; the API allows 100 at most.
const PAGE: i32 = 100;

/// Pages of one list at most: ten million entries of a database, a million statements.
const MOST_PAGES: u32 = 10_000;

/// Which statements to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) filter: Filter,
    /// So many of the newest.
    pub(crate) limit: usize,
}

/// The members of a statement in a list.
const STATEMENT: [(&str, &str); 8] = [
    ("statement_id", "text"),
    ("status", "text"),
    ("statement_name", "text"),
    ("created_at", "text"),
    ("updated_at", "text"),
    ("session_id", "text"),
    ("statements", "int4"),
    ("sql", "text"),
];

/// Shows the newest statements. The service does not promise any order, so that all of them are looked at.
pub(crate) async fn statements(service: &Service<'_>, list: &List, how: &Show) -> Result<Report, Error> {
    let mut newest: Vec<Listed> = Vec::new();
    let mut pages = Pages::default();
    loop {
        let token = &pages.token;
        let (listed, token) =
            patiently(service, async || service.statements(&list.filter, PAGE, token.clone()).await).await?;
        newest.extend(listed);
        newest.sort_by_key(|listed| Reverse(listed.created));
        newest.truncate(list.limit);
        if !pages.advance(token)? {
            break;
        }
    }
    let mut writer = Writer::new(how, "statements", &STATEMENT);
    for listed in &newest {
        let text = |text: &Option<String>| Entry::Text(text.clone());
        writer.row(&[
            Entry::Text(Some(listed.id.clone())),
            Entry::Text(Some(listed.status.clone())),
            text(&listed.name),
            text(&listed.created_at),
            text(&listed.updated_at),
            text(&listed.session),
            Entry::Number(listed.statements),
            Entry::Text(listed.sql.as_deref().map(sql::shown)),
        ]);
    }
    writer.end().await
}

/// Shows what there is in a database, page by page.
pub(crate) async fn catalog(service: &Service<'_>, catalog: &Catalog, how: &Show) -> Result<Report, Error> {
    let mut writer = Writer::new(how, catalog.what.name(), catalog.what.columns());
    let mut pages = Pages::default();
    loop {
        let token = &pages.token;
        let (entries, token) =
            patiently(service, async || service.catalog(catalog, token.clone()).await).await?;
        for entry in &entries {
            writer.row(entry);
        }
        writer.flush().await?;
        if !pages.advance(token)? {
            return writer.end().await;
        }
    }
}

/// The pages of a list, up to the last one. A service that never comes to an end is not followed for ever.
#[derive(Default)]
struct Pages {
    read: u32,
    /// What the next page is asked for with.
    token: Option<String>,
}

impl Pages {
    /// Goes on to the page that the last one names as the next; false where it was the last.
    fn advance(&mut self, next: Option<String>) -> Result<bool, CallError> {
        const LIST: &str = "a list of redshift-data";
        self.read += 1;
        if next.is_some() && next == self.token {
            return Err(CallError::unusable(LIST, "a page names itself as the next one"));
        }
        if next.is_some() && self.read == MOST_PAGES {
            return Err(CallError::unusable(LIST, "it has more than 10,000 pages"));
        }
        self.token = next;
        Ok(self.token.is_some())
    }
}

/// Asks for a page, if need be more than once.
async fn patiently<T>(
    service: &Service<'_>,
    ask: impl AsyncFn() -> Result<T, CallError>,
) -> Result<T, Error> {
    match service.read(ask).await {
        Ended::Done(page) => Ok(page),
        Ended::Lost(source) => Err(Error::Call(source)),
        Ended::Deadline(_) => Err(Error::ListTimeout),
        Ended::Cancelled(_) => Err(service.ctx.interrupted("nothing was changed").into()),
    }
}

/// A list on its way to stdout.
struct Writer {
    rows: Rows,
    sink: Sink,
}

impl Writer {
    fn new(how: &Show, name: &str, members: &[(&str, &str)]) -> Self {
        let mut rows = Rows::new(how.form.clone(), false);
        rows.frame(&format!("{{\"{name}\":"));
        rows.begin(columns(members.iter().copied()));
        Self { rows, sink: Sink::stdout() }
    }

    fn row(&mut self, entry: &[Entry]) {
        for member in entry {
            self.rows.cell(match member {
                Entry::Text(Some(text)) => Cell::Text(text),
                Entry::Text(None) => Cell::Null,
                Entry::Number(number) => Cell::Long(*number),
                Entry::Bool(value) => Cell::Bool(*value),
            });
        }
        self.rows.end_row();
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let text = self.rows.take();
        Ok(self.sink.write(&text).await?)
    }

    async fn end(mut self) -> Result<Report, Error> {
        self.rows.end();
        self.rows.frame("}\n");
        self.flush().await?;
        self.sink.finish().await?;
        Ok(Report::ok(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_with_its_last_page_and_at_the_latest_with_the_10000th() {
        let mut pages = Pages::default();
        assert_eq!(pages.advance(Some("a".to_owned())).ok(), Some(true));
        assert!(pages.advance(Some("a".to_owned())).is_err());
        assert_eq!(pages.advance(None).ok(), Some(false));
        let mut pages = Pages::default();
        for page in 1..MOST_PAGES {
            assert_eq!(pages.advance(Some(page.to_string())).ok(), Some(true));
        }
        assert!(pages.advance(Some("more".to_owned())).is_err());
    }
}
