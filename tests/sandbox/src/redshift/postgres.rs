//! A client of `PostgreSQL`, as far as statements need one: a Unix socket, trust, parameters and rows in text.
//!
//! Not one of the published ones: they read rows in binary, where the Data API tells them in the server's text, and
//! would have the AWS SDK built twice.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Version 3.0 of the protocol.
const VERSION: i32 = 196_608;
/// In place of a version: another connection's statement is to be cancelled.
const CANCEL: i32 = 80_877_102;
/// How much is read at once.
const CHUNK: usize = 64 << 10;
/// There is no such database.
const NO_DATABASE: &str = "3D000";
/// The database is there already.
const DUPLICATE: &str = "42P04";
/// Two create the same database at the same time.
const AT_ONCE: &str = "23505";

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    folder: PathBuf,
    port: String,
    user: String,
    database: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server says no.
    Refused(Box<Refused>),
    /// The connection is no more.
    Broken(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Broken(error) => write!(f, "An I/O error occurred while sending to the backend: {error}"),
        }
    }
}

/// An error of the server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Refused {
    severity: String,
    pub(super) code: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    context: Option<String>,
    /// In characters, from 1.
    pub(super) position: Option<usize>,
}

/// As the driver of the Data API words it.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        for (name, text) in [("Detail", &self.detail), ("Hint", &self.hint)] {
            if let Some(text) = text {
                write!(f, "\n  {name}: {text}")?;
            }
        }
        if let Some(position) = self.position {
            write!(f, "\n  Position: {position}")?;
        }
        match &self.context {
            Some(context) => write!(f, "\n  Where: {context}"),
            None => Ok(()),
        }
    }
}

impl Refused {
    fn read(body: &[u8]) -> Self {
        let mut refused = Self::default();
        for field in body.split(|byte| *byte == 0) {
            let Some((kind, text)) = field.split_first() else { continue };
            let text = String::from_utf8_lossy(text).into_owned();
            match kind {
                b'S' => refused.severity = text,
                b'C' => refused.code = text,
                b'M' => refused.message = text,
                b'D' => refused.detail = Some(text),
                b'H' => refused.hint = Some(text),
                // Redshift does not say which parameter it is.
                b'W' if !text.starts_with("unnamed portal parameter") => refused.context = Some(text),
                b'P' => refused.position = text.parse().ok(),
                _ => {}
            }
        }
        refused
    }
}

/// A column of a result, as the server describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// The table it is a column of; 0 is none.
    pub(super) table: u32,
    /// Its number in that table.
    pub(super) attribute: i16,
    pub(super) kind: u32,
    pub(super) modifier: i32,
}

/// Takes the rows of a result as they come.
pub(super) trait Rows {
    fn columns(&mut self, columns: Vec<Column>);
    /// The fields of a row: the length of each and its text; the length is -1 where it is NULL.
    fn row(&mut self, fields: &[u8]);
}

impl Server {
    /// Reads `host=/folder/of/the/socket dbname=… user=… port=…`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (mut folder, mut port) = (None, "5432".to_owned());
        let (mut user, mut database) = ("postgres".to_owned(), None);
        for pair in text.split_whitespace() {
            match pair.split_once('=')? {
                ("host", path) if path.starts_with('/') => folder = Some(path.into()),
                ("port", number) => port = number.into(),
                ("user", name) => user = name.into(),
                ("dbname", name) => database = Some(name.to_owned()),
                _ => return None,
            }
        }
        let database = database.unwrap_or_else(|| user.clone());
        Some(Self { folder: folder?, port, user, database })
    }

    async fn stream(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.folder.join(format!(".s.PGSQL.{}", self.port))).await
    }

    /// Connects to a database; one that is not there is created first, if it may be.
    pub(super) async fn connect(&self, database: &str, create: bool) -> Result<Connection, Trouble> {
        match self.connect_to(database).await {
            Err(Trouble::Refused(refused)) if create && refused.code == NO_DATABASE => {
                let create = format!("create database \"{}\"", database.replace('"', "\"\""));
                match self.connect_to(&self.database).await?.ask(&create, &[]).await {
                    Err(Trouble::Refused(refused)) if ![DUPLICATE, AT_ONCE].contains(&&*refused.code) => {
                        return Err(Trouble::Refused(refused));
                    }
                    Err(Trouble::Broken(error)) => return Err(error.into()),
                    _ => {}
                }
                self.connect_to(database).await
            }
            done => done,
        }
    }

    async fn connect_to(&self, database: &str) -> Result<Connection, Trouble> {
        let stream = self.stream().await?;
        let mut startup = VERSION.to_be_bytes().to_vec();
        for text in ["user", &self.user, "database", database, "application_name", "redshift-data", ""] {
            push_text(&mut startup, text);
        }
        let mut connection =
            Connection { server: self.clone(), stream, input: Vec::new(), read: 0, pid: 0, secret: 0 };
        let length = length(startup.len() + 4).to_be_bytes();
        connection.stream.write_all(&[&length, &startup[..]].concat()).await?;
        loop {
            let (kind, body) = connection.message().await?;
            let body = &connection.input[body];
            match kind {
                b'E' => return Err(Trouble::Refused(Box::new(Refused::read(body)))),
                b'R' if integer(body) != Some(0) => {
                    return Err(io::Error::other("the server does not trust the sandbox").into());
                }
                b'K' => {
                    let secret = body.get(4..).and_then(integer);
                    (connection.pid, connection.secret) = (integer(body).unwrap_or(0), secret.unwrap_or(0));
                }
                b'Z' => return Ok(connection),
                _ => {}
            }
        }
    }
}

/// A connection to a database.
#[derive(Debug)]
pub(super) struct Connection {
    server: Server,
    stream: UnixStream,
    input: Vec<u8>,
    /// How much of the input is done with.
    read: usize,
    /// Process id of the server's half.
    pub(super) pid: i32,
    secret: i32,
}

/// A statement of a connection, to be cancelled.
#[derive(Clone, Debug)]
pub(super) struct Canceller {
    server: Server,
    pid: i32,
    secret: i32,
}

impl Canceller {
    /// Asks the server to cancel what the connection does; it may be done already.
    pub(super) async fn cancel(&self) {
        let mut request = 16_i32.to_be_bytes().to_vec();
        request.extend([CANCEL, self.pid, self.secret].into_iter().flat_map(i32::to_be_bytes));
        // A server that does not listen has nothing to cancel any more.
        if let Ok(mut stream) = self.server.stream().await
            && stream.write_all(&request).await.is_ok()
        {
            let _ = stream.read(&mut [0]).await;
        }
    }
}

impl Connection {
    pub(super) fn canceller(&self) -> Canceller {
        Canceller { server: self.server.clone(), pid: self.pid, secret: self.secret }
    }

    /// Runs one statement; gives what the server calls it in the end (`INSERT 0 3`).
    pub(super) async fn run(
        &mut self,
        sql: &str,
        parameters: &[&str],
        rows: &mut impl Rows,
    ) -> Result<String, Trouble> {
        let mut output = Vec::new();
        push(&mut output, b'P', |body| {
            push_text(body, "");
            push_text(body, sql);
            body.extend(0_i16.to_be_bytes());
        });
        push(&mut output, b'B', |body| {
            body.extend([0, 0, 0, 0]);
            body.extend(i16::try_from(parameters.len()).unwrap_or(i16::MAX).to_be_bytes());
            for parameter in parameters {
                body.extend(length(parameter.len()).to_be_bytes());
                body.extend(parameter.as_bytes());
            }
            body.extend(0_i16.to_be_bytes());
        });
        push(&mut output, b'D', |body| body.extend([b'P', 0]));
        push(&mut output, b'E', |body| body.extend([0, 0, 0, 0, 0]));
        push(&mut output, b'S', |_| {});
        self.stream.write_all(&output).await?;
        let (mut tag, mut refused) = (String::new(), None);
        loop {
            let (kind, body) = self.message().await?;
            let body = &self.input[body];
            match kind {
                b'D' => rows.row(body.get(2..).unwrap_or_default()),
                b'T' => rows.columns(columns(body).unwrap_or_default()),
                b'C' => tag = text(body).map_or("", |(text, _)| text).to_owned(),
                b'E' => refused = Some(Refused::read(body)),
                // Data cannot be copied in.
                b'G' => {
                    let mut output = Vec::new();
                    push(&mut output, b'f', |body| push_text(body, "no data"));
                    push(&mut output, b'S', |_| {});
                    self.stream.write_all(&output).await?;
                }
                b'Z' => break,
                _ => {}
            }
        }
        match refused {
            Some(refused) => Err(Trouble::Refused(Box::new(refused))),
            None => Ok(tag),
        }
    }

    /// The rows of a small result, with an empty text for NULL.
    pub(super) async fn ask(&mut self, sql: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
        let mut rows = Few::default();
        self.run(sql, parameters, &mut rows).await?;
        Ok(rows.0)
    }

    /// The next message: its kind, and where its body is in the input.
    async fn message(&mut self) -> io::Result<(u8, Range<usize>)> {
        loop {
            if let Some(message) = self.here() {
                return Ok(message);
            }
            self.input.drain(..self.read);
            self.read = 0;
            self.input.reserve(CHUNK);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next message that is here already.
    fn here(&mut self) -> Option<(u8, Range<usize>)> {
        let rest = &self.input[self.read..];
        let (kind, length) = (*rest.first()?, integer(rest.get(1..)?)?);
        let (start, end) = (self.read + 5, self.read + 1 + usize::try_from(length).ok()?);
        if self.input.len() < end {
            return None;
        }
        self.read = end;
        Some((kind, start..end))
    }
}

#[derive(Default)]
struct Few(Vec<Vec<String>>);

impl Rows for Few {
    fn columns(&mut self, _: Vec<Column>) {}

    fn row(&mut self, fields: &[u8]) {
        let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
        self.0.push(Fields(fields).map(text).collect());
    }
}

/// The fields of a row; none is NULL.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.0 = rest;
            return Some(None);
        };
        let (field, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Some(field))
    }
}

fn columns(body: &[u8]) -> Option<Vec<Column>> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let mut columns = Vec::new();
    for _ in 0..i16::from_be_bytes(*count) {
        let (name, fixed) = text(rest)?;
        let number = |at: usize| fixed.get(at..).and_then(integer);
        columns.push(Column {
            name: name.into(),
            table: number(0)?.cast_unsigned(),
            attribute: i16::from_be_bytes(*fixed.get(4..)?.first_chunk()?),
            kind: number(6)?.cast_unsigned(),
            modifier: number(12)?,
        });
        rest = fixed.get(18..)?;
    }
    Some(columns)
}

/// A text that ends in a zero, and what is after it.
fn text(body: &[u8]) -> Option<(&str, &[u8])> {
    let end = body.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&body[..end]).ok()?, &body[end + 1..]))
}

fn integer(body: &[u8]) -> Option<i32> {
    body.first_chunk().copied().map(i32::from_be_bytes)
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

fn push(output: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    output.push(kind);
    let start = output.len();
    output.extend([0; 4]);
    fill(output);
    let size = length(output.len() - start);
    output[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Texts end in a zero, and so cannot hold one.
fn push_text(output: &mut Vec<u8>, text: &str) {
    output.extend(text.bytes().filter(|byte| *byte != 0));
    output.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let server = Server::read("host=/tmp/x dbname=a user=b").unwrap();
        assert_eq!(
            (server.database.as_str(), server.user.as_str(), server.port.as_str()),
            ("a", "b", "5432")
        );
        for bad in ["", "dbname=a", "host=localhost", "host=/tmp/x password=p"] {
            assert_eq!(Server::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn errors_as_the_driver_words_them() {
        let refused = Refused::read(b"SERROR\0VERROR\0C42703\0Mcolumn \"x\" does not exist\0HLook.\0P8\0\0");
        let text = "ERROR: column \"x\" does not exist\n  Hint: Look.\n  Position: 8";
        assert_eq!((refused.to_string().as_str(), refused.code.as_str()), (text, "42703"));
    }

    #[test]
    fn fields() {
        let row = [0, 0, 0, 1, b'a', 255, 255, 255, 255, 0, 0, 0, 0];
        assert_eq!(Fields(&row).collect::<Vec<_>>(), [Some(&b"a"[..]), None, Some(&b""[..])]);
        assert_eq!(Fields(&[0, 0, 0, 9, 1]).count(), 0);
    }
}
