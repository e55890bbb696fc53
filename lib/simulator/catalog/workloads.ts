import type { Ecosystem } from './vulnerabilities.ts';

/** An image, the deployment that runs it and what runs inside. `{…}` is filled in by the generator. */
export interface Workload {
  /** Name of the deployment and its main container. */
  readonly name: string;
  /** Path in the registry of the region. */
  readonly image: string;
  /** `major.minor`; the patch level is counted up. */
  readonly version: string;
  readonly sizeBytes: number;
  readonly builtFrom: readonly Ecosystem[];
  readonly user: string;
  readonly commands: readonly string[];
  readonly ports: readonly { readonly port: number; readonly address: string; readonly path: string }[];
}

export const imageRegistry = 'swr.ap-southeast-1.myhuaweicloud.com';

const MB = 1_000_000;
const java = '/usr/lib/jvm/java-17-openjdk/bin/java';

/** Passwords on command lines are what real reports hold; all of these are invented. */
export const workloads: readonly Workload[] = [
  {
    name: 'checkout',
    image: 'payments/checkout',
    version: '1.8',
    sizeBytes: 412 * MB,
    builtFrom: ['debian', 'java'],
    user: 'app',
    commands: [
      'java -Xms512m -Xmx2g -XX:+UseG1GC -jar /app/checkout.jar --spring.profiles.active=prod ' +
        '--spring.datasource.url=jdbc:postgresql://pg-{n}.payments.svc:5432/checkout ' +
        '--spring.datasource.password=invented-{word}-{n}',
      '/bin/sh /app/entrypoint.sh --wait-for pg-{n}.payments.svc:5432',
    ],
    ports: [
      { port: 8080, address: '0.0.0.0', path: java },
      { port: 9404, address: '0.0.0.0', path: java },
    ],
  },
  {
    name: 'ledger',
    image: 'payments/ledger',
    version: '4.2',
    sizeBytes: 388 * MB,
    builtFrom: ['debian', 'java'],
    user: 'app',
    commands: [
      'java -Xmx4g -Dlog4j2.configurationFile=/app/log4j2.xml -cp /app/lib/* com.example.ledger.Main ' +
        '--kafka kafka-{n}.data.svc:9092 --group ledger',
      'jcmd 1 GC.heap_info',
    ],
    ports: [{ port: 8443, address: '::', path: java }],
  },
  {
    name: 'storefront',
    image: 'web/storefront',
    version: '12.0',
    sizeBytes: 176 * MB,
    builtFrom: ['alpine', 'node'],
    user: 'node',
    commands: [
      'node --max-old-space-size=1536 /srv/storefront/server.js --port 3000',
      '/bin/sh -c node /srv/storefront/warm-cache.js --api-token=invented-token-{hex} --region ap-southeast-1',
    ],
    ports: [{ port: 3000, address: '0.0.0.0', path: '/usr/local/bin/node' }],
  },
  {
    name: 'notifications',
    image: 'web/notifications',
    version: '3.4',
    sizeBytes: 158 * MB,
    builtFrom: ['debian', 'node'],
    user: 'node',
    commands: ['node /srv/notifications/index.js --smtp-user mailer --smtp-pass invented-{word}-mail-{n}'],
    ports: [
      { port: 3001, address: '0.0.0.0', path: '/usr/local/bin/node' },
      { port: 9229, address: '127.0.0.1', path: '/usr/local/bin/node' },
    ],
  },
  {
    name: 'recommender',
    image: 'ml/recommender',
    version: '0.31',
    sizeBytes: 2_950 * MB,
    builtFrom: ['debian', 'python'],
    user: 'root',
    commands: [
      'python3 -m gunicorn recommender.wsgi:app --bind 0.0.0.0:8000 --workers 4 --timeout 120',
      'python3 /app/train.py --epochs 12 --dataset obs://example-training-sets/{word}/{n} --seed {n}',
    ],
    ports: [{ port: 8000, address: '0.0.0.0', path: '/usr/bin/python3.11' }],
  },
  {
    name: 'reporting',
    image: 'data/reporting',
    version: '2.11',
    sizeBytes: 640 * MB,
    builtFrom: ['debian', 'python'],
    user: 'app',
    commands: [
      'python3 -m celery -A reporting worker --loglevel=INFO ' +
        '--broker=redis://:invented-{word}-{n}@redis-{n}.data.svc:6379/0',
    ],
    ports: [{ port: 5555, address: '127.0.0.1', path: '/usr/bin/python3.11' }],
  },
  {
    name: 'gateway',
    image: 'platform/gateway',
    version: '2.6',
    sizeBytes: 61 * MB,
    builtFrom: ['alpine', 'go'],
    user: 'nobody',
    commands: ['/usr/bin/gateway --listen :8443 --admin 127.0.0.1:9901 --upstream http://checkout.payments.svc:8080'],
    ports: [
      { port: 8443, address: '::', path: '/usr/bin/gateway' },
      { port: 9901, address: '127.0.0.1', path: '/usr/bin/gateway' },
    ],
  },
  {
    name: 'inventory-sync',
    image: 'supply/inventory-sync',
    version: '1.19',
    sizeBytes: 48 * MB,
    builtFrom: ['alpine', 'go'],
    user: 'nobody',
    commands: ['/app/inventory-sync --dsn postgres://sync:invented-{word}-{n}@pg-{n}.supply.svc/stock --interval 30s'],
    ports: [{ port: 2112, address: '0.0.0.0', path: '/app/inventory-sync' }],
  },
  {
    name: 'session-cache',
    image: 'platform/redis',
    version: '7.2',
    sizeBytes: 117 * MB,
    builtFrom: ['debian'],
    user: 'redis',
    commands: ['redis-server *:6379 --maxmemory 2gb --requirepass invented-{word}-{n}'],
    ports: [{ port: 6379, address: '0.0.0.0', path: '/usr/local/bin/redis-server' }],
  },
  {
    name: 'orders-db',
    image: 'platform/postgres',
    version: '15.6',
    sizeBytes: 425 * MB,
    builtFrom: ['debian'],
    user: 'postgres',
    commands: [
      'postgres -c max_connections=300 -c shared_buffers=2GB -c config_file=/etc/postgresql/postgresql.conf',
      'postgres: walsender replicator 10.0.{octet}.{octet}({n}) streaming',
    ],
    ports: [{ port: 5432, address: '0.0.0.0', path: '/usr/lib/postgresql/15/bin/postgres' }],
  },
  {
    name: 'edge-proxy',
    image: 'platform/nginx',
    version: '1.25',
    sizeBytes: 187 * MB,
    builtFrom: ['debian'],
    user: 'nginx',
    commands: ['nginx: master process nginx -g daemon off;', 'nginx: worker process'],
    ports: [
      { port: 80, address: '0.0.0.0', path: '/usr/sbin/nginx' },
      { port: 443, address: '0.0.0.0', path: '/usr/sbin/nginx' },
    ],
  },
  {
    name: 'ci-runner',
    image: 'tools/ci-runner',
    version: '16.9',
    sizeBytes: 860 * MB,
    builtFrom: ['debian', 'go', 'tools'],
    user: 'root',
    commands: [
      'dockerd --host=unix:///var/run/docker.sock --host=tcp://0.0.0.0:2376 --tlsverify',
      'git clone https://ci:invented-token-{hex}@git.example.com/team/{word}.git /builds/{n}',
    ],
    ports: [{ port: 2376, address: '0.0.0.0', path: '/usr/bin/dockerd' }],
  },
];

/** Processes and ports of a node itself; no container. */
export const nodeCommands: readonly string[] = [
  '/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml --kubeconfig=/var/lib/kubelet/kubelet.conf --v=2',
  '/usr/bin/containerd --config /etc/containerd/config.toml',
  'sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups',
  '/usr/local/hostguard/bin/hostguard',
  '/usr/lib/systemd/systemd --switched-root --system --deserialize 22',
  '/usr/sbin/chronyd -u chrony',
];

export const nodePorts: readonly { readonly port: number; readonly address: string; readonly path: string }[] = [
  { port: 22, address: '0.0.0.0', path: '/usr/sbin/sshd' },
  { port: 10250, address: '::', path: '/usr/bin/kubelet' },
  { port: 10248, address: '127.0.0.1', path: '/usr/bin/kubelet' },
  { port: 10249, address: '127.0.0.1', path: '/usr/bin/kube-proxy' },
];

/** Software without a known vulnerability here, beside what `vulnerabilities.ts` names. */
export const plainPackages: Readonly<Record<Ecosystem, readonly string[]>> = {
  debian: [
    'adduser 3.134',
    'base-files 12.4+deb12u5',
    'ca-certificates 20230311',
    'debianutils 5.7-0.5',
    'diffutils 1:3.8-4',
    'e2fsprogs 1.47.0-2',
    'findutils 4.9.0-4',
    'grep 3.8-5',
    'hostname 3.23+nmu1',
    'init-system-helpers 1.65.2',
    'libacl1 2.3.1-3',
    'libattr1 1:2.5.1-4',
    'libbz2-1.0 1.0.8-5+b1',
    'libcap2 1:2.66-4',
    'libffi8 3.4.4-1',
    'libgmp10 2:6.2.1+dfsg1-1.1',
    'libpam-runtime 1.5.2-6+deb12u1',
    'libpcre2-8-0 10.42-1',
    'libselinux1 3.4-1+b6',
    'libstdc++6 12.2.0-14',
    'mawk 1.3.4.20200120-3.1',
    'mount 2.38.1-5+deb12u1',
    'netbase 6.4',
    'sed 4.9-1',
    'tzdata 2024a-0+deb12u1',
  ],
  alpine: [
    'alpine-baselayout 3.4.3-r2',
    'alpine-keys 2.4-r1',
    'apk-tools 2.14.0-r5',
    'ca-certificates-bundle 20240226-r0',
    'libc-utils 0.7.2-r5',
    'scanelf 1.3.7-r2',
    'ssl_client 1.36.1-r7',
  ],
  java: [
    'spring-boot 2.7.18',
    'slf4j-api 1.7.36',
    'hikaricp 4.0.3',
    'micrometer-core 1.9.17',
    'netty-handler 4.1.107.Final',
    'hibernate-core 5.6.15.Final',
    'jakarta.validation-api 2.0.2',
  ],
  node: ['undici 6.19.8', 'pino 8.19.0', 'zod 3.23.8', 'ioredis 5.3.2', 'react 18.2.0', 'next 14.2.15', 'ws 8.18.0'],
  python: ['gunicorn 22.0.0', 'numpy 1.26.4', 'pandas 2.2.1', 'celery 5.3.6', 'redis 5.0.3', 'sqlalchemy 2.0.29'],
  go: ['github.com/spf13/cobra 1.8.0', 'github.com/prometheus/client_golang 1.19.0', 'go.uber.org/zap 1.27.0'],
  tools: ['docker-ce-cli 5:26.1.3-1', 'git-lfs 3.3.0-1', 'jq 1.6-2.1', 'make 4.3-4.1'],
};

/** Containers that run with all rights of their node: agents that need it, and others. */
export const privilegedKinds: readonly {
  readonly container: string;
  readonly pod: string;
  readonly summary: string;
}[] = [
  { container: 'docker', pod: 'runner-{suffix}-project-{n}-concurrent-0', summary: 'A build runs Docker in Docker.' },
  { container: 'kube-proxy', pod: 'kube-proxy-{suffix}', summary: 'A network agent starts in privileged mode.' },
  { container: 'everest-csi-driver', pod: 'everest-csi-driver-{suffix}', summary: 'A storage driver mounts devices.' },
  { container: 'debugger', pod: 'node-debugger-{suffix}', summary: 'A shell on the node was opened by kubectl debug.' },
  { container: 'node-problem-detector', pod: 'npd-{suffix}', summary: 'A monitoring agent reads the kernel log.' },
  {
    container: 'legacy-batch',
    pod: 'legacy-batch-{hash}-{suffix}',
    summary: 'An application asks for privileged mode.',
  },
  { container: 'icagent', pod: 'icagent-{suffix}', summary: 'A log agent reads all containers of the node.' },
];

/** What `{word}` may be. */
export const words: readonly string[] = [
  'harbor',
  'meadow',
  'copper',
  'lantern',
  'walnut',
  'glacier',
  'saddle',
  'ember',
];
