//! The certificates of a PEM file, line by line.
//!
//! rustls' own reader decodes in constant time, as keys ask for. Certificates are no secret, and the bundle of a
//! system has some 220 KB of them: that reader had 45 % of the instructions of a short run, this one has a tenth
//! of that.

use aws_smithy_types::base64;
use rustls::pki_types::CertificateDer;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Reads them one at a time; what stands around them, in whatever encoding, is passed over.
#[derive(Debug)]
pub(super) struct Certificates {
    file: BufReader<File>,
    line: Vec<u8>,
}

impl Certificates {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), line: Vec::new() })
    }

    /// The next line, without the white space around it; `None` at the end.
    fn line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = self.file.read_until(b'\n', &mut self.line)?;
        Ok((read > 0).then(|| self.line.trim_ascii()))
    }

    fn certificate(&mut self) -> Result<Option<CertificateDer<'static>>, Problem> {
        loop {
            match self.line()? {
                Some(BEGIN) => break,
                Some(_) => {}
                None => return Ok(None),
            }
        }
        let mut text = Vec::new();
        loop {
            match self.line()? {
                Some(END) => break,
                Some(line) => text.extend_from_slice(line),
                None => return Err(Problem::Cut),
            }
        }
        let text = str::from_utf8(&text).map_err(|_| Problem::NotBase64)?;
        let der = base64::decode(text).map_err(|_| Problem::NotBase64)?;
        Ok(Some(der.into()))
    }
}

impl Iterator for Certificates {
    type Item = Result<CertificateDer<'static>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.certificate().transpose()
    }
}

/// Why a file gives no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not PEM: its last certificate has no end")]
    Cut,
    #[error("it is not PEM: a certificate in it is not base64")]
    NotBase64,
}
