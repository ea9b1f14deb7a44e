//! All that anybody could read, kept to be searched, and the spellings that a secret may have in it.

use std::error::Error as _;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use base64_simd::{STANDARD, URL_SAFE};
use dingtalk_core::Error;
use dingtalk_tests::{Answer, Browser};
use tracing_subscriber::fmt::MakeWriter;

/// Everything that anybody could read.
#[derive(Clone, Default)]
pub(crate) struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    pub(crate) fn line(&self, text: &str) {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }

    pub(crate) fn debug(&self, value: &impl Debug) {
        self.line(&format!("{value:?}"));
        self.line(&format!("{value:#?}"));
    }

    pub(crate) fn error(&self, error: &Error) {
        self.debug(error);
        self.line(&error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            self.debug(&error);
            self.line(&error.to_string());
            source = error.source();
        }
    }

    /// An answer, but for the values of the cookies that are meant for the browser's jar.
    pub(crate) fn answer(&self, answer: &Answer) {
        for (name, value) in &answer.headers {
            let cookie = sealed(value).filter(|_| name == "set-cookie");
            let value = match cookie {
                Some((_, cookie)) => value.replacen(&cookie, "", 1),
                None => value.clone(),
            };
            self.line(&format!("{name}: {value}"));
        }
        self.line(&answer.text());
    }

    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Debug for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Printed")
    }
}

impl io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Printed {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What the libraries below us write with the `log` crate.
impl log::Log for Printed {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.line(&format!(
            "{} {} {}",
            record.level(),
            record.target(),
            record.args()
        ));
    }

    fn flush(&self) {}
}

pub(crate) fn listen(printed: &Printed) {
    log::set_boxed_logger(Box::new(printed.clone())).expect("nobody else listens");
    log::set_max_level(log::LevelFilter::Trace);
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(printed.clone())
        .init();
}

pub(crate) type Secrets = Vec<(&'static str, String)>;

/// The sealed value of a cookie that is set, and what it is.
pub(crate) fn sealed(cookie: &str) -> Option<(&'static str, String)> {
    let (name, value) = cookie.split(';').next()?.split_once('=')?;
    let kind = match () {
        () if value.is_empty() => return None,
        // These two say something plainly.
        () if name.ends_with("-corp") || name.ends_with("-out") => return None,
        () if name.ends_with("-login") => "pre-login cookie",
        () if name.contains("dt-") => "session cookie",
        () => return None,
    };
    Some((kind, value.to_owned()))
}

pub(crate) fn pre_login(browser: &Browser) -> Option<(&'static str, String)> {
    let mut cookies = browser.cookies.iter();
    cookies.find_map(|(name, value)| sealed(&format!("{name}={value}")))
}

/// A secret as it may be written: as it is, in URLs, in JSON, in `Debug` of texts and bytes, in hex, and in base64 at any offset.
pub(crate) fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let each = |write: fn(&u8) -> String| bytes.iter().map(write).collect::<Vec<_>>();
    let quoted = |text: String| text[1..text.len() - 1].to_owned();
    let mut forms = vec![
        secret.to_owned(),
        each(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) => {
                char::from(*byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .concat(),
        each(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-_.*".contains(byte) => {
                char::from(*byte).to_string()
            }
            b' ' => "+".to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .concat(),
        each(|byte| format!("%{byte:02x}")).concat(),
        each(|byte| format!("{byte:02x}")).concat(),
        each(|byte| format!("{byte:02X}")).concat(),
        each(u8::to_string).join(", "),
        quoted(format!("{secret:?}")),
        quoted(serde_json::Value::from(secret).to_string()),
        secret.escape_default().to_string(),
    ];
    for offset in 0..3 {
        let mut moved = vec![0; offset];
        moved.extend_from_slice(bytes);
        // Only the characters that come from the secret alone.
        let (start, end) = ((offset * 8).div_ceil(6), moved.len() * 8 / 6);
        forms.extend(
            [&STANDARD, &URL_SAFE]
                .map(|engine| engine.encode_to_string(&moved)[start..end].to_owned()),
        );
    }
    forms.sort();
    forms.dedup();
    forms
}
