//! The rules of shared schema pieces, each with what a person reads who broke it.
//!
//! CEL rather than `pattern`, because a pattern can only answer with itself.

/// A rule and what a person reads who broke it.
pub(super) type Rule = (&'static str, &'static str);

pub(super) const OBJECT_NAME: Rule = (
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    "must be the name of an object: lowercase letters, digits, '-' and '.', beginning and ending with a letter or \
        digit",
);
pub(super) const SECRET_KEY: Rule =
    ("self.matches('^[-._a-zA-Z0-9]+$')", "must be a key of a Secret: only letters, digits, '-', '_' and '.'");
pub(super) const SECRET_KEYS: Rule = (
    "self.all(k, k.matches('^[-._a-zA-Z0-9]{1,253}$') && k != '.' && !k.startsWith('..'))",
    "each key must be fit for a Secret: 1 to 253 letters, digits, '-', '_' and '.'; not '.', and nothing that begins \
        with '..'",
);
pub(super) const PRESET_NAME: Rule =
    ("self.matches('^[A-Za-z][A-Za-z0-9-]*$')", "must be the name of a preset, such as Palette");
pub(super) const PARAMETER_NAME: Rule = ("self.matches('^[A-Za-z0-9_-]+$')", "must be letters, digits, '_' and '-'");
pub(super) const PARAMETER_NAMES: Rule =
    ("self.all(k, k.matches('^[A-Za-z0-9_-]{1,63}$'))", "each name must be 1 to 63 letters, digits, '_' and '-'");
pub(super) const METADATA_KEYS: Rule = (
    "self.all(k, \
        k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?\
        [A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
    "each key must be a qualified name such as team or example.com/team",
);
pub(super) const RESERVED_KEYS: Rule = (
    "self.all(k, k.startsWith('app.kubernetes.io/') || \
        !k.matches('^([^/]*[.])?(kubernetes[.]io|k8s[.]io|apitoken[.]dev)/'))",
    "keys under apitoken.dev/, kubernetes.io/ and k8s.io/ are reserved; app.kubernetes.io/ is free to use",
);
pub(super) const LABEL_VALUE: Rule = (
    "self.matches('^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$')",
    "must be a label value: letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, or empty",
);
pub(super) const HEADER_NAME: Rule =
    ("self.matches('^[-!#$%&*+.^_`|~0-9A-Za-z]+$')", "must be the name of a header, such as X-Auth-Token");
pub(super) const HEADER_NAMES: Rule =
    ("self.all(k, k.matches('^[-!#$%&*+.^_`|~0-9A-Za-z]+$'))", "each name must be that of a header, such as X-API-Key");
pub(super) const MANAGED_HEADERS: Rule = (
    "!self.exists(k, k.lowerAscii() in ['host', 'content-length', 'transfer-encoding', 'connection', 'expect', 'te', \
        'trailer', 'upgrade', 'accept-encoding'])",
    "Host, Content-Length, Transfer-Encoding, Connection, Expect, TE, Trailer, Upgrade and Accept-Encoding are set \
        by the operator",
);
pub(super) const REPEATED_HEADERS: Rule = (
    "self.all(k, self.exists_one(other, other.lowerAscii() == k.lowerAscii()))",
    "the same header is given twice: names are compared without regard to case",
);
pub(super) const FIELD_NAMES: Rule = ("!('' in self)", "a name must not be empty");
pub(super) const MULTIPART_NAMES: Rule =
    ("self.all(k, !k.matches('[\"\\r\\n]'))", "a name of a multipart field must not have quotes or line ends");
pub(super) const LOGIN_FIELDS: Rule = (
    "!self.exists(k, k in ['grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', \
        'username', 'password', 'refresh_token', 'assertion'])",
    "grant_type, client_id, client_secret, client_assertion, client_assertion_type, username, password, \
        refresh_token and assertion follow from grant and clientAuth",
);
pub(super) const LISTED_FIELDS: Rule = (
    "!self.exists(k, k in ['scope', 'audience', 'resource'])",
    "scope, audience and resource have fields of their own: scopes, audience, resources",
);
pub(super) const REFRESH_FIELDS: Rule = (
    "!self.exists(k, k in ['grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', \
        'refresh_token'])",
    "grant_type, client_id, client_secret, client_assertion, client_assertion_type and refresh_token are set by the \
        operator",
);
pub(super) const COOKIE_NAME: Rule = ("self.matches('^[-!#$%&*+.^_`|~0-9A-Za-z]+$')", "must be the name of a cookie");
pub(super) const POINTER: Rule = (
    "self.matches('^(/([^/~]|~[01])*)*$')",
    "must be a JSON pointer (RFC 6901) such as /session/accessToken; \"\" is the whole document",
);
pub(super) const OUTPUT_NAME: Rule =
    ("self.matches('^[A-Za-z][A-Za-z0-9]*$')", "must be a letter, then letters and digits");
pub(super) const OUTPUT_NAMES: Rule = (
    "self.all(k, k.matches('^[A-Za-z][A-Za-z0-9]{0,62}$'))",
    "each name must be a letter, then at most 62 letters and digits",
);
pub(super) const TAKEN_OUTPUT_NAMES: Rule = (
    "!('accessToken' in self) && !('refreshToken' in self) && !('expiresAt' in self)",
    "accessToken, refreshToken and expiresAt have a meaning of their own: choose other names",
);
pub(super) const BASE_URL: Rule = (
    "self.matches('^https?://[^/?#@\\\\s]+(/[^?#\\\\s]*)?$')",
    "must be an http or https URL without user, query or fragment, such as https://api.example.com/v1",
);
pub(super) const TOKEN_URL: Rule = (
    "self.matches('^https?://[^/?#@\\\\s]+(/[^?#\\\\s]*)?([?][^#\\\\s]*)?$')",
    "must be an http or https URL without user or fragment, such as https://idp.example.com/oauth2/token",
);
pub(super) const STATIC: Rule = ("!self.contains('${')", "an address is static: ${...} is not replaced here");
pub(super) const PATH: Rule = (
    "self.matches('^/[^?#\\\\s]*$')",
    "must begin with / and have no query, fragment or blank: what follows a ? goes into query",
);
pub(super) const DURATION: Rule = (
    "self != '' && self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$')",
    "must be hours, minutes and seconds in this order, such as 1h30m, 720h or 45s",
);
/// What is no duration at all is left to the rule before: one mistake, one message.
pub(super) const POSITIVE: Rule = (
    "self.matches('[1-9]') || self == '' || !self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$')",
    "must be longer than 0",
);
/// As above, and because `duration()` fails on other texts with a message of its own.
pub(super) const TIMEOUT: Rule = (
    "self == '' || !self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') || \
        (duration(self) >= duration('1s') && duration(self) <= duration('5m'))",
    "must be between 1s and 5m",
);
/// As above.
pub(super) const PROBE_INTERVAL: Rule = (
    "self == '' || !self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$') || \
        (duration(self) >= duration('1m') && duration(self) <= duration('24h'))",
    "must be between 1m and 24h",
);
pub(super) const CERTIFICATES: Rule =
    ("self.contains('-----BEGIN CERTIFICATE-----')", "must be one or more certificates as PEM text");
