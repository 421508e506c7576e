//! The proxies of the environment.

use super::HttpConfigError;
use crate::env;
use chained_credentials::Env;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderValue, Request, Uri};
use hyper_util::client::proxy::matcher::Matcher;

/// Which proxy an address is reached over.
#[derive(Debug)]
pub(super) struct Proxies(Matcher);

/// A proxy for one address.
pub(super) struct Proxy {
    /// Where it listens.
    pub(super) uri: Uri,
    /// What it wants to be told, made of the user and password of its address.
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxies {
    /// From the proxy variables; `None` where none is set.
    ///
    /// # Errors
    /// A proxy whose address cannot be understood, or that speaks anything but plain HTTP. hyper's matcher
    /// would overlook it and connect directly.
    pub(super) fn new(vars: &Env) -> Result<Option<Self>, HttpConfigError> {
        let mut builder = Matcher::builder();
        let mut any = false;
        // ALL_PROXY is for the addresses without a proxy of their own; where there are none, it may be what it likes.
        let all_have_own =
            [&env::HTTP_PROXY, &env::HTTPS_PROXY].iter().all(|names| env::first(vars, *names).is_some());
        for (names, set) in [
            (&env::ALL_PROXY, Builder::all as fn(Builder, String) -> Builder),
            (&env::HTTP_PROXY, Builder::http),
            (&env::HTTPS_PROXY, Builder::https),
        ] {
            if names == &env::ALL_PROXY && all_have_own {
                continue;
            }
            if let Some((name, address)) = env::first(vars, names) {
                usable(address).map_err(|problem| HttpConfigError::Proxy { name, problem })?;
                builder = set(builder, address.to_owned());
                any = true;
            }
        }
        if let Some((_, hosts)) = env::first(vars, &env::NO_PROXY) {
            builder = builder.no(hosts);
        }
        Ok(any.then(|| Self(builder.build())))
    }

    /// The proxy that `uri` is reached over.
    pub(super) fn of(&self, uri: &Uri) -> Option<Proxy> {
        let intercept = self.0.intercept(uri)?;
        Some(Proxy { uri: intercept.uri().clone(), authorization: intercept.basic_auth().cloned() })
    }

    /// Adds what the proxy of a plain request wants to be told. For TLS the tunnel says it.
    pub(super) fn authorize<B>(&self, request: &mut Request<B>) {
        if request.uri().scheme() == Some(&http::uri::Scheme::HTTP)
            && let Some(authorization) = self.of(request.uri()).and_then(|proxy| proxy.authorization)
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
    }
}

type Builder = hyper_util::client::proxy::matcher::Builder;

fn usable(address: &str) -> Result<(), &'static str> {
    let any = Uri::from_static("http://localhost/");
    let proxy = Matcher::builder().all(address.to_owned()).build().intercept(&any);
    match proxy.as_ref().and_then(|proxy| proxy.uri().scheme_str()) {
        Some("http") => Ok(()),
        Some("https") => Err("names a proxy that is spoken to over TLS, which is not supported; use http://"),
        Some(_) => Err("names a SOCKS proxy, which is not supported; use an HTTP proxy"),
        None => Err("is not the address of a proxy (http://user:password@host:port)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_their_proxies() {
        let vars: Env = [
            ("HTTPS_PROXY", "http://user:p%40ss@proxy.example:3128"),
            ("http_proxy", "lower.example:80"),
            ("HTTP_PROXY", "http://upper.example"),
            ("NO_PROXY", "internal.example, 169.254.0.0/16"),
        ]
        .into_iter()
        .collect();
        let proxies = Proxies::new(&vars).unwrap().unwrap();
        for (uri, expected) in [
            ("https://glue.us-east-1.amazonaws.com/", Some("http://proxy.example:3128/")),
            ("http://glue.us-east-1.amazonaws.com/", Some("http://lower.example:80/")),
            ("https://sts.internal.example/", None),
            ("http://169.254.170.2/creds", None),
        ] {
            let proxy = proxies.of(&uri.parse().unwrap()).map(|proxy| proxy.uri.to_string());
            assert_eq!(proxy.as_deref(), expected, "{uri}");
        }
        let proxy = proxies.of(&"https://a.example/".parse().unwrap()).unwrap();
        assert_eq!(proxy.authorization.unwrap(), "Basic dXNlcjpwQHNz");
        assert!(Proxies::new(&Env::default()).unwrap().is_none());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_without_its_password() {
        for (address, expected) in [
            ("https://user:secret@proxy:3128", "HTTPS_PROXY names a proxy that is spoken to over TLS"),
            ("socks5://user:secret@proxy:1080", "HTTPS_PROXY names a SOCKS proxy"),
            ("ftp://user:secret@proxy", "HTTPS_PROXY is not the address of a proxy"),
            ("http://user:secret@", "HTTPS_PROXY is not the address of a proxy"),
            ("/etc/proxy", "HTTPS_PROXY is not the address of a proxy"),
        ] {
            let vars: Env = [("HTTPS_PROXY", address)].into_iter().collect();
            let text = Proxies::new(&vars).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_proxy_for_all_is_refused_only_where_it_would_be_used() {
        let socks = ("ALL_PROXY", "socks5://user:secret@proxy:1080");
        let (http, https) = (("http_proxy", "http://proxy:3128"), ("HTTPS_PROXY", "http://proxy:3128"));
        for (vars, refused) in [
            (&[socks][..], true),
            (&[socks, https], true),
            (&[socks, http], true),
            (&[socks, http, https], false),
        ] {
            let vars: Env = vars.iter().copied().collect();
            assert_eq!(Proxies::new(&vars).is_err(), refused, "{vars:?}");
        }
    }
}
