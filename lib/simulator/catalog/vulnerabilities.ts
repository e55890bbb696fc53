import type { Level } from '../wire.ts';
import { parseRecords } from './records.ts';

/** What an image is built from; decides which packages and vulnerabilities it can have. */
export type Ecosystem = 'debian' | 'alpine' | 'java' | 'node' | 'python' | 'go' | 'tools';

export interface KnownVulnerability {
  readonly ecosystem: Ecosystem;
  readonly severity: Level;
  readonly name: string;
  readonly package: string;
  /** A version that has it. */
  readonly version: string;
  /** Empty: no version is fixed. */
  readonly fixedIn: string;
  readonly description: string;
}

/*
 * Real vulnerabilities, described in our own words. Severities are plausible, not quoted: HSS gives only these three.
 * A record: severity, name, package, a version that has it, the version that fixes it or `-`.
 */
const catalog: Readonly<Record<Ecosystem, string>> = {
  debian: `
High CVE-2024-3094 xz-utils 5.6.1-1 5.6.1+really5.4.5-1
  The release tarballs of xz 5.6.0 and 5.6.1 carry a backdoor that the build plants in liblzma. An SSH daemon that
  loads the library can be made to run commands for whoever holds the attacker's key.
High CVE-2023-4911 glibc 2.36-9 2.36-9+deb12u3
  The dynamic loader overruns a buffer while it reads GLIBC_TUNABLES. A local user gains root through any setuid program.
High CVE-2024-2961 glibc 2.36-9+deb12u4 2.36-9+deb12u6
  Converting text to ISO-2022-CN-EXT with iconv writes up to four bytes past the output buffer. Services that convert
  text for their callers can crash or run foreign code.
High CVE-2023-6246 glibc 2.36-9+deb12u3 2.36-9+deb12u4
  A long program name makes the syslog function overrun a heap buffer, which a local user can turn into root.
High CVE-2024-33599 glibc 2.36-9+deb12u6 2.36-9+deb12u7
  The name service cache daemon overruns a stack buffer on netgroup requests once its cache is exhausted.
High CVE-2022-23218 glibc 2.31-13 2.31-13+deb11u3
  The old sunrpc function svcunix_create copies its path argument to the stack without looking at its length.
Medium CVE-2021-33574 glibc 2.31-13 2.31-13+deb11u3
  mq_notify may use the thread attributes of its caller after they were freed, which ends in a crash or worse.
Low CVE-2010-4756 glibc 2.31-13+deb11u3 -
  Patterns given to glob can make it use processor time and memory far out of proportion, for example in an FTP server.
Low CVE-2019-1010022 glibc 2.31-13+deb11u3 -
  A stack overflow elsewhere could also overwrite the guard that is meant to detect it. Upstream does not treat it as a
  security problem.
High CVE-2024-6387 openssh-server 1:9.2p1-2+deb12u2 1:9.2p1-2+deb12u3
  The SSH daemon's alarm handler calls functions that are not safe in a signal. An attacker who does not log in within
  the grace time can win a race and run code as root.
High CVE-2022-0778 openssl 1.1.1k-1 1.1.1k-1+deb11u2
  Computing a modular square root never ends for a modulus that is not prime, so one crafted certificate keeps a server
  busy for ever.
High CVE-2023-0286 openssl 1.1.1n-0+deb11u3 1.1.1n-0+deb11u4
  X.400 addresses in certificates are compared as the wrong type. Where revocation lists are checked, memory can be read
  or the process crashed.
High CVE-2022-3602 openssl 3.0.2-0ubuntu1.6 3.0.2-0ubuntu1.7
  Decoding an internationalised mail address in a certificate overruns the stack by four bytes.
Medium CVE-2023-5363 openssl 3.0.9-1 3.0.11-1~deb12u2
  Changed key or IV lengths are taken over too late for some ciphers, so that truncated values encrypt data.
Medium CVE-2023-2650 openssl 3.0.8-1 3.0.9-1
  Translating a very large object identifier to text takes time that grows with the square of its size.
Medium CVE-2023-3446 openssl 3.0.9-1 3.0.10-1
  Checking Diffie-Hellman parameters with an excessive modulus is very slow, which denies service to others.
Medium CVE-2024-0727 openssl 3.0.11-1~deb12u2 3.0.13-1~deb12u1
  A PKCS#12 file with absent fields makes the library follow a null pointer and crash.
Low CVE-2024-5535 openssl 3.0.13-1~deb12u1 3.0.14-1~deb12u1
  SSL_select_next_proto reads past the end of an empty list of protocols that the application passed to it.
Low CVE-2024-2511 openssl 3.0.13-1~deb12u1 3.0.14-1~deb12u1
  In unusual configurations the session cache of TLS 1.3 servers grows without bound.
High CVE-2023-38545 curl 7.88.1-10+deb12u1 7.88.1-10+deb12u4
  A host name that is too long for a slow SOCKS5 proxy handshake is copied into a heap buffer that is too small.
High CVE-2022-32221 curl 7.74.0-1.3+deb11u3 7.74.0-1.3+deb11u5
  Reusing a handle for POST after PUT can send the wrong data or read memory that was freed.
High CVE-2022-22576 curl 7.74.0-1.3+deb11u1 7.74.0-1.3+deb11u2
  Connections authenticated with one OAuth2 bearer are reused for requests that hold another one.
Medium CVE-2024-7264 curl 7.88.1-10+deb12u6 7.88.1-10+deb12u7
  The parser for dates in certificates reads past the end of its input when a field is malformed.
Low CVE-2023-38546 curl 7.88.1-10+deb12u1 7.88.1-10+deb12u4
  Duplicating a handle may later load cookies from a file called "none" in the working directory.
High CVE-2023-44487 nghttp2 1.52.0-1 1.52.0-1+deb12u1
  HTTP/2 clients that open streams and reset them at once cost the server far more than themselves. Used in 2023 for the
  largest floods seen until then.
High CVE-2022-37434 zlib 1:1.2.11.dfsg-2+deb11u1 1:1.2.11.dfsg-2+deb11u2
  Inflating data with a large extra field in its gzip header overruns a heap buffer in programs that ask for the header.
Medium CVE-2023-45853 zlib 1:1.2.13.dfsg-1 -
  The MiniZip code beside zlib overflows on a long file name, comment or extra field in an archive.
High CVE-2022-1271 gzip 1.10-4 1.10-4+deb11u1
  zgrep takes a crafted file name of two lines as commands for sed, so that it overwrites files of the attacker's choice.
High CVE-2021-3156 sudo 1.9.5p1-1 1.9.5p2-3
  A command line that ends in a backslash overruns a heap buffer in sudo. Any local user becomes root without a password.
High CVE-2022-40674 expat 2.2.10-2+deb11u3 2.2.10-2+deb11u4
  The parser uses memory after freeing it in doContent, reachable with a crafted document.
High CVE-2024-45491 expat 2.5.0-1 2.5.0-1+deb12u1
  A size is calculated with an overflow while a document type is copied, on platforms with 32-bit integers.
High CVE-2022-40303 libxml2 2.9.10+dfsg-6.7+deb11u2 2.9.10+dfsg-6.7+deb11u3
  With huge documents allowed, several counters overflow and index memory outside of their buffers.
Medium CVE-2023-28484 libxml2 2.9.14+dfsg-1.1 2.9.14+dfsg-1.2
  Some invalid schemas make the library follow a null pointer.
High CVE-2022-2509 gnutls28 3.7.1-5+deb11u1 3.7.1-5+deb11u2
  Verifying a PKCS#7 signature frees a certificate twice.
Medium CVE-2024-0553 gnutls28 3.7.9-2 3.7.9-2+deb12u2
  The time of an RSA-PSK key exchange tells whether its padding was right, which leaks the secret step by step.
Medium CVE-2022-34903 gnupg2 2.2.27-2+deb11u1 2.2.27-2+deb11u2
  Text in a signature is passed on as status lines, so that a forged signature can be shown as valid.
High CVE-2022-1664 dpkg 1.20.9 1.20.10
  Unpacking a source package with crafted patches writes files outside of the target directory.
Medium CVE-2022-3715 bash 5.1-2 5.1-2+deb11u1
  Transforming a parameter with invalid text overruns a heap buffer.
Medium CVE-2022-29458 ncurses 6.2+20201114-2 6.2+20201114-2+deb11u1
  Converting a terminal description reads outside of its bounds.
Medium CVE-2022-48303 tar 1.34+dfsg-1 1.34+dfsg-1+deb11u1
  A header in the old V7 format makes tar read one byte before its buffer.
Medium CVE-2022-35737 sqlite3 3.34.1-3 3.39.2-1
  Strings of billions of bytes given to the printf function of the C interface overrun an array.
Medium CVE-2023-7104 sqlite3 3.40.1-2 3.44.0-1
  The session extension reads past the end of a heap buffer when a change set is malformed.
Medium CVE-2022-4899 libzstd 1.4.8+dfsg-2.1 1.5.4+dfsg2-1
  An empty string as an argument of the command-line tool overruns a buffer.
Medium CVE-2023-31484 perl 5.36.0-7 5.38.0-1
  CPAN.pm downloads over HTTPS without checking the certificate of the mirror.
Medium CVE-2023-7008 systemd 252.19-1~deb12u1 252.21-1~deb12u1
  The resolver accepts records of a signed domain although they carry no signature.
Medium CVE-2022-3821 systemd 247.3-7+deb11u1 247.3-7+deb11u2
  Formatting a time span writes one byte too many in rare cases.
High CVE-2024-37371 krb5 1.20.1-2+deb12u1 1.20.1-2+deb12u2
  A message token with invalid length fields makes the GSS library read memory that is not its own.
High CVE-2023-4863 libwebp 1.2.4-0.2 1.2.4-0.2+deb12u1
  A crafted lossless image makes the decoder write past its Huffman tables. Exploited in the wild in 2023.
Low CVE-2016-2781 coreutils 8.32-4 -
  A program started by chroot with another user can push keys into the terminal of its parent.
Low CVE-2011-3374 apt 2.2.4 -
  apt-key does not fully validate keys fetched over an open connection. It is not used by the package manager itself.
Low CVE-2013-4235 shadow 1:4.8.1-1 -
  Directory trees are copied and removed with a race between check and use.
Low CVE-2005-2541 tar 1.34+dfsg-1 -
  Extracting as root keeps setuid bits without a warning. Works as documented.
Low CVE-2011-4116 perl 5.32.1-4+deb11u2 -
  File::Temp follows symbolic links in a shared directory in some uses.
Low CVE-2022-27943 gcc-12 12.2.0-14 -
  The name demangler recurses without limit on a crafted symbol and exhausts the stack.
Low CVE-2018-6829 libgcrypt20 1.8.7-6 -
  ElGamal encryption as implemented does not hide which of two chosen messages was encrypted.
Low CVE-2024-28085 util-linux 2.38.1-5 2.38.1-5+deb12u1
  wall prints escape sequences from its arguments to the terminals of other users, who may be tricked by them.
`,
  alpine: `
High CVE-2022-48174 busybox 1.34.1-r7 1.35.0-r1
  A crafted arithmetic expression overruns the stack of the ash shell.
Medium CVE-2022-28391 busybox 1.34.1-r4 1.34.1-r5
  Host names from DNS are printed with their escape sequences, which the terminal then obeys.
Medium CVE-2023-42363 busybox 1.36.1-r5 1.36.1-r7
  A crafted awk pattern makes the interpreter use memory after freeing it.
High CVE-2019-14697 musl 1.1.22-r2 1.1.22-r3
  Mathematical functions on 32-bit x86 leave the floating-point stack unbalanced, which can end in foreign writes.
Medium CVE-2020-28928 musl 1.1.24-r9 1.1.24-r10
  wcsnrtombs overruns its output when the limits on characters and bytes meet in a certain way.
Medium CVE-2025-26519 musl 1.2.5-r8 1.2.5-r9
  Converting EUC-KR text to UTF-8 with iconv can write outside of the output buffer when input is malformed.
`,
  java: `
High CVE-2021-44228 log4j-core 2.14.1 2.15.0
  Text that is logged may hold a lookup which fetches and runs code from a server the attacker names. No login is needed;
  a user agent or a form field is enough.
High CVE-2021-45046 log4j-core 2.15.0 2.16.0
  The first fix for lookups in logged text is incomplete when patterns take values from the thread context.
Medium CVE-2021-45105 log4j-core 2.16.0 2.17.0
  A lookup that refers to itself recurses without end and stops the process.
High CVE-2022-22965 spring-beans 5.3.17 5.3.18
  Binding request parameters to objects reaches the class loader on newer Java versions, and with it remote code
  execution in common deployments.
Medium CVE-2022-22950 spring-expression 5.3.16 5.3.17
  A crafted expression allocates an array large enough to exhaust memory.
Medium CVE-2023-20863 spring-expression 5.3.26 5.3.27
  A crafted expression recurses or grows without limit and denies service.
Low CVE-2021-22096 spring-web 5.3.10 5.3.12
  User input is written to the log unescaped, so that false entries can be added.
High CVE-2022-42889 commons-text 1.9 1.10.0
  String interpolation runs scripts and resolves names and URLs by default, also in text that comes from outside.
High CVE-2022-1471 snakeyaml 1.33 2.0
  The default constructor builds any class that a document names, which amounts to remote code execution.
High CVE-2022-25857 snakeyaml 1.30 1.31
  Nested collections of unlimited depth exhaust the stack.
High CVE-2020-36518 jackson-databind 2.12.6 2.12.6.1
  Deeply nested objects overflow the stack while they are read as untyped data.
High CVE-2022-42003 jackson-databind 2.13.4 2.13.4.2
  With single-value arrays unwrapped, nested arrays use resources without limit.
High CVE-2023-34455 snappy-java 1.1.8.4 1.1.10.1
  The length of a chunk is trusted, so that a short stream asks for a huge array.
High CVE-2023-46604 activemq-client 5.15.15 5.15.16
  Unmarshalling an OpenWire message creates an instance of any class on the class path and so runs commands.
High CVE-2020-1938 tomcat-embed-core 9.0.30 9.0.31
  The AJP connector trusts its peers by default; whoever reaches it reads files of the application and may include them.
High CVE-2025-24813 tomcat-embed-core 9.0.98 9.0.99
  Partial PUT requests are stored under predictable names; with writes enabled they lead to disclosure or code execution.
High CVE-2022-21724 postgresql-jdbc 42.2.24 42.2.25
  Connection properties name classes that the driver instantiates without checking their type.
High CVE-2024-1597 postgresql-jdbc 42.2.27 42.2.28
  In the simple query mode a negative number beside a string parameter allows SQL injection.
Medium CVE-2023-24998 commons-fileupload 1.4 1.5
  The number of parts in an upload is not limited, so that one request occupies the server for long.
Medium CVE-2022-3171 protobuf-java 3.21.6 3.21.7
  Repeated fields in text input keep the garbage collector busy in long pauses.
Medium CVE-2023-33201 bcprov-jdk15on 1.70 1.74
  Subject names are placed into LDAP filters without escaping, which allows injection.
Medium CVE-2023-2976 guava 31.1-jre 32.0.0-jre
  Buffers that overflow to disk use the shared temporary directory, where other users can read them.
Low CVE-2020-8908 guava 29.0-jre 32.0.0-jre
  createTempDir makes a directory that every local user can read.
Low CVE-2020-15250 junit4 4.12 4.13.1
  The temporary folders of tests can be read by other users of the machine.
Low CVE-2024-47554 commons-io 2.11.0 2.14.0
  XmlStreamReader spends excessive processor time on crafted input.
`,
  node: `
High CVE-2021-23337 lodash 4.17.20 4.17.21
  The template function places an option into generated code, so that callers who control it inject commands.
Medium CVE-2020-28500 lodash 4.17.20 4.17.21
  Trimming long runs of white space and converting them to numbers takes quadratic time.
High CVE-2022-24999 qs 6.7.0 6.7.3
  A parameter named like the prototype is accepted, and a request with it hangs the process.
High CVE-2021-44906 minimist 1.2.5 1.2.6
  Arguments can set properties on the prototype of all objects.
High CVE-2022-3517 minimatch 3.0.4 3.0.5
  Expanding braces in a crafted pattern takes exponential time.
High CVE-2024-4068 braces 3.0.2 3.0.3
  Unbalanced braces of unlimited length exhaust the heap.
High CVE-2024-21538 cross-spawn 7.0.3 7.0.5
  Escaping an argument uses a regular expression that backtracks for long on crafted text.
High CVE-2021-3807 ansi-regex 5.0.0 5.0.1
  Matching crafted escape sequences takes exponential time.
Medium CVE-2022-25883 semver 7.3.5 7.5.2
  Parsing a version range with long runs of white space takes quadratic time.
Medium CVE-2023-26136 tough-cookie 4.0.0 4.1.3
  Cookies for a domain named like the prototype pollute it in one mode of the jar.
Medium CVE-2023-45857 axios 0.21.4 1.6.0
  The anti-forgery token of a site is sent along to every other host as well.
Medium CVE-2024-29041 express 4.18.2 4.19.2
  Malformed URLs given to redirects are encoded so that checks against an allow list can be passed.
Medium CVE-2024-28849 follow-redirects 1.15.5 1.15.6
  Proxy credentials are kept when a redirect leads to another host.
Medium CVE-2022-23540 jsonwebtoken 8.5.1 9.0.0
  Without a list of algorithms, verification may accept a token that is not signed.
Medium CVE-2023-44270 postcss 8.4.24 8.4.31
  A carriage return ends comments in one place and not in another, so that comments turn into rules.
Medium CVE-2023-26115 word-wrap 1.2.3 1.2.4
  Trimming the end of a line takes quadratic time on long white space.
Low CVE-2024-47764 cookie 0.6.0 0.7.0
  Names, paths and domains with out-of-bounds characters add fields to a cookie.
Low CVE-2024-43796 express 4.19.2 4.20.0
  Redirects show their target unescaped in a page that browsers seldom render.
`,
  python: `
High CVE-2023-37920 certifi 2022.12.7 2023.7.22
  The bundle still trusts the e-Tugra root certificates, whose owner was found to be insecure.
Medium CVE-2022-23491 certifi 2022.9.24 2022.12.7
  The bundle still trusts root certificates of TrustCor, which browsers have removed.
High CVE-2023-30861 flask 2.2.3 2.2.5
  A session cookie may be cached by a proxy and given to other clients.
High CVE-2023-25577 werkzeug 2.2.2 2.2.3
  The number of form parts is not limited, so that a small request uses much processor time and memory.
Low CVE-2023-23934 werkzeug 2.2.2 2.2.3
  Cookies without a name are read as if their value held the name, so that neighbours can shadow a cookie.
High CVE-2020-14343 pyyaml 5.3.1 5.4
  The full loader still builds objects that run code while a document is read.
High CVE-2024-6345 setuptools 68.0.0 70.0.0
  Download functions of package_index run commands taken from a URL.
Medium CVE-2022-40897 setuptools 65.3.0 65.5.1
  A crafted package page keeps a regular expression busy.
High CVE-2023-50782 cryptography 41.0.3 42.0.0
  RSA key exchange with old padding tells attackers enough to decrypt captured messages.
High CVE-2023-50447 pillow 10.1.0 10.2.0
  ImageMath.eval runs code through names passed in its environment.
Medium CVE-2023-43804 urllib3 1.26.15 1.26.17
  A cookie header set by hand is kept across redirects to another origin.
Medium CVE-2023-32681 requests 2.28.2 2.31.0
  Proxy credentials are sent to the destination after a redirect to HTTPS.
Medium CVE-2024-35195 requests 2.31.0 2.32.0
  A session whose first request skips certificate checks goes on skipping them for that host.
Medium CVE-2024-22195 jinja2 3.1.2 3.1.3
  The xmlattr filter accepts keys with spaces, by which foreign attributes enter a page.
Medium CVE-2024-3651 idna 3.4 3.7
  Encoding a crafted name takes quadratic time.
Low CVE-2023-5752 pip 23.0.1 23.3
  Installing from a Mercurial address lets the revision inject configuration options.
`,
  go: `
High CVE-2023-39325 golang.org/x/net 0.7.0 0.17.0
  HTTP/2 clients that reset streams at once start more handlers than the configured limit.
High CVE-2022-41723 golang.org/x/net 0.5.0 0.7.0
  Decoding compressed headers takes quadratic time on a crafted stream.
Medium CVE-2023-45288 golang.org/x/net 0.22.0 0.23.0
  Headers continue in any number of frames and are read even after the limit, at the cost of the server.
Medium CVE-2023-3978 golang.org/x/net 0.12.0 0.13.0
  Text nodes outside of the HTML namespace are rendered unescaped.
High CVE-2024-45337 golang.org/x/crypto 0.30.0 0.31.0
  Servers that take the last key offered for the key that was proven grant access to the wrong party.
Medium CVE-2023-48795 golang.org/x/crypto 0.14.0 0.17.0
  A man in the middle removes messages at the start of an SSH connection and so switches protections off.
High CVE-2024-24790 stdlib 1.22.3 1.22.4
  IPv4 addresses written as IPv6 are not recognised as loopback or private, so that filters let them pass.
Medium CVE-2024-24783 stdlib 1.21.7 1.21.8
  Verifying a chain with an unknown kind of public key panics.
Medium CVE-2023-39318 stdlib 1.21.0 1.21.1
  HTML-like comments in scripts are not recognised, which breaks the escaping of templates.
Low CVE-2024-34155 stdlib 1.22.6 1.22.7
  Parsing deeply nested source text exhausts the stack.
High CVE-2022-32149 golang.org/x/text 0.3.7 0.3.8
  Parsing a crafted Accept-Language header takes very long.
Medium CVE-2024-24786 google.golang.org/protobuf 1.31.0 1.33.0
  Reading certain invalid JSON as a message never ends.
High CVE-2024-21626 github.com/opencontainers/runc 1.1.11 1.1.12
  A leaked file descriptor gives a container's working directory on the host, and by it a way out of the container.
Medium CVE-2022-23471 github.com/containerd/containerd 1.6.11 1.6.12
  Terminal resizes for processes that ended leave goroutines behind until memory is exhausted.
`,
  tools: `
High CVE-2024-41110 github.com/docker/docker 24.0.7 25.0.6
  A request with an empty body length passes authorization plug-ins without its body, so that they allow too much.
High CVE-2024-32002 git 1:2.39.2-1.1 1:2.39.5-0+deb12u1
  Cloning a repository with crafted submodules on a file system without case runs its hooks.
Medium CVE-2022-39253 git 1:2.30.2-1 1:2.38.1-1
  Local clones follow symbolic links and so copy files from outside of the repository.
Medium CVE-2023-2253 github.com/docker/distribution 2.8.1 2.8.2
  Listing the catalog with a huge page size allocates memory for it beforehand.
`,
};

const headPattern = /^(High|Medium|Low) (CVE-\d{4}-\d{4,}) (\S+) (\S+) (\S+)$/;

export const knownVulnerabilities: readonly KnownVulnerability[] = Object.entries(catalog).flatMap(
  ([ecosystem, text]) =>
    parseRecords(text).map(({ head, lines }) => {
      const [, severity, name, package_, version, fixedIn] = headPattern.exec(head) ?? [];
      if (!severity || !name || !package_ || !version || !fixedIn) throw new Error(`vulnerability catalog: ${head}`);
      return {
        ecosystem: ecosystem as Ecosystem,
        severity: severity as Level,
        name,
        package: package_,
        version,
        fixedIn: fixedIn === '-' ? '' : fixedIn,
        description: lines.join(' '),
      };
    }),
);
