import type { Level, WireBaselineCheck, WireBaselineItem } from '../wire.ts';
import { parseRecords } from './records.ts';

export interface KnownBaseline {
  readonly name: string;
  readonly type: string;
  readonly standard: WireBaselineCheck['standard'];
  readonly description: string;
  /** Rules in all; the items here are those that tend to fail. */
  readonly rules: number;
  readonly items: readonly WireBaselineItem[];
}

/*
 * Numbers are those of the CIS benchmarks for Kubernetes (1.8) and Docker (1.6); the words are ours.
 * An item: its severity and title, then what is wrong, then what to do.
 */
const kubernetesNode = `
High 4.2.1 Kubelet refuses anonymous requests
  Without a login anybody who reaches port 10250 can read pods and run commands in them.
  Set authentication.anonymous.enabled to false in the kubelet configuration and restart the kubelet.
High 4.2.2 Kubelet does not allow every authorised request
  The mode AlwaysAllow makes each client an administrator of the node.
  Set authorization.mode to Webhook in the kubelet configuration.
High 4.2.3 Kubelet verifies client certificates
  No certificate authority is set, so that client certificates cannot be told apart.
  Set authentication.x509.clientCAFile to the authority of the cluster.
Medium 4.2.4 Kubelet has no read-only port
  Port 10255 shows pods and their environment without a login.
  Set readOnlyPort to 0 in the kubelet configuration.
Low 4.2.5 Kubelet ends idle streams
  A time-out of 0 keeps forgotten exec and port-forward connections open for ever.
  Set streamingConnectionIdleTimeout to a value other than 0, for example 5m.
Medium 4.2.6 Kubelet manages iptables chains
  Without its chains the rules of the node and of the cluster can drift apart.
  Set makeIPTablesUtilChains to true.
Medium 4.2.10 Kubelet rotates its client certificate
  Certificates that are renewed by hand tend to expire unnoticed.
  Set rotateCertificates to true or leave it out.
Medium 4.1.1 Kubelet service file is writable by root alone
  The permissions of the service file are wider than 600.
  Run chmod 600 on the kubelet service file on every node.
Medium 4.1.5 Kubelet credentials are readable by root alone
  The permissions of kubelet.conf are wider than 600; it holds the identity of the node.
  Run chmod 600 on the kubeconfig file of the kubelet.
Low 4.1.9 Kubelet configuration is writable by root alone
  The permissions of config.yaml are wider than 600.
  Run chmod 600 on the configuration file of the kubelet.
`;

const kubernetesPolicies = `
High 5.1.1 The role cluster-admin is given only where it is needed
  Service accounts of applications are bound to cluster-admin.
  Bind them to a role with the few permissions they use and remove the cluster role binding.
Medium 5.1.3 Roles name resources and verbs instead of wildcards
  A role allows all verbs on all resources of a group and will allow those that are added later.
  List the resources and verbs that are in use.
Medium 5.1.5 Default service accounts are not used
  Pods run under the default account of their namespace, so that permissions cannot be told apart.
  Create an account for each workload and set automountServiceAccountToken to false on the default one.
Low 5.1.6 Tokens are mounted only where they are needed
  Pods that never call the API server carry a token for it.
  Set automountServiceAccountToken to false in the pod or its service account.
High 5.2.2 No privileged containers are admitted
  No admission policy stops containers that run with all rights of their node.
  Enforce the restricted or baseline pod security standard in every namespace that holds user workloads.
High 5.2.3 No containers share the process ids of their node
  Pods with hostPID can see and signal every process of the node.
  Refuse hostPID by admission policy, except for the agents that need it.
Medium 5.2.5 No containers share the network of their node
  Pods with hostNetwork reach services that listen on loopback and pass by network policies.
  Refuse hostNetwork by admission policy, except for network agents.
Medium 5.2.6 No containers may gain privileges
  allowPrivilegeEscalation is not set to false, so that setuid programs work inside of containers.
  Set allowPrivilegeEscalation to false in the security context of the containers.
Medium 5.2.7 No containers run as root
  Neither image nor security context names a user other than root.
  Set runAsNonRoot to true and give the image a user.
Medium 5.3.2 Every namespace has network policies
  Any pod may open connections to any other pod of the cluster.
  Add a policy that denies all by default and then allow what is needed.
Low 5.4.1 Secrets are mounted as files
  Secrets stand in environment variables, which show up in crash reports and process listings.
  Mount them as volumes and read the files.
Low 5.7.2 Pods use the default seccomp profile
  All system calls are open to containers without a profile.
  Set seccompProfile.type to RuntimeDefault.
Low 5.7.4 The default namespace is empty
  Objects stand in the default namespace, where policies for teams do not reach them.
  Move them to a namespace of their own.
`;

const docker = `
Medium 2.2 Containers on the default bridge cannot reach each other
  The daemon lets all containers of the default bridge talk to each other.
  Start the daemon with icc set to false and use networks by purpose.
High 2.5 No insecure registries are configured
  The daemon accepts registries without TLS, so that images can be replaced on their way.
  Remove insecure-registries from daemon.json.
Medium 2.9 User namespaces are on
  Root inside of a container is root on the node.
  Set userns-remap to default in daemon.json where workloads allow it.
Medium 2.14 Containers cannot gain new privileges
  The daemon does not set no-new-privileges as a default.
  Set no-new-privileges to true in daemon.json.
Low 2.15 Containers survive a restart of the daemon
  live-restore is off, so that patching the daemon stops workloads.
  Set live-restore to true in daemon.json.
Low 2.16 The userland proxy is off
  Published ports are forwarded by a process for each port although the kernel can do it.
  Set userland-proxy to false in daemon.json.
Medium 4.1 Images have a user
  Containers run as root because the image names no user.
  Add a USER instruction with a numeric id.
Medium 4.5 Images are verified before they run
  Content trust is off, so that unsigned images are accepted.
  Set DOCKER_CONTENT_TRUST to 1 or verify signatures on admission.
Low 4.6 Images say how to check their health
  There is no HEALTHCHECK instruction in the image.
  Add one, or rely on the probes of the pod and waive this item.
High 5.5 No privileged containers
  Containers run with all capabilities and all devices of the node.
  Remove the privileged flag and add the single capabilities that are needed.
High 5.6 No sensitive directories of the node are mounted
  Directories such as /etc, /proc or /var/run are writable from inside of containers.
  Mount them read only, or not at all.
Medium 5.11 Memory is limited
  A container without a limit can exhaust the memory of its node.
  Set a limit for memory on every container.
Low 5.13 The root file system is read only
  Attackers can write tools into the container.
  Set readOnlyRootFilesystem to true and mount volumes where writing is needed.
Medium 5.29 The number of processes is limited
  A fork bomb in one container stops its node.
  Set a limit for process ids.
High 5.32 The socket of the container engine is not mounted
  A container that holds the socket controls all others and the node.
  Build images with a tool that needs no daemon.
`;

const cloudPractice = `
High Nodes refuse logins by password over SSH
  PasswordAuthentication is on; nodes with a public address are guessed at all day.
  Set PasswordAuthentication to no and log in by key.
High Nodes refuse root logins over SSH
  PermitRootLogin is on, so that actions cannot be traced to a person.
  Set PermitRootLogin to no and use sudo.
Medium Nodes keep an audit log of commands
  auditd is not running.
  Start auditd and send its records to the log service.
Medium Cluster API has no public address
  The API server is bound to an elastic IP that any address may reach.
  Unbind it, or allow the addresses of your offices and pipelines alone.
Medium Images come from the organisation's own registry
  Images are pulled from public registries at run time.
  Copy them to SWR and set an image pull policy that allows only your organisation.
Low Nodes synchronise their clocks
  No time source is configured.
  Configure chrony with the time servers of the region.
`;

const weakPasswords = `
High Accounts of the node have strong passwords
  A password equals its account name or stands in the dictionary of common ones.
  Change it and enforce a minimum of 12 characters by pam_pwquality.
High Redis asks for a password
  The service answers commands without a login.
  Set requirepass or an access list and bind it to the pod network.
Medium MySQL accounts have strong passwords
  An application account has a password of fewer than 8 characters.
  Change it and turn on the validate_password component.
`;

const classifiedProtection = `
High Identity: sessions are locked after failed logins
  Any number of guesses is allowed.
  Configure pam_faillock with at most 5 attempts.
High Identity: remote administration is encrypted
  The telnet service is installed and running.
  Remove it; administer by SSH alone.
Medium Identity: passwords expire
  Passwords of interactive accounts have no maximum age.
  Set PASS_MAX_DAYS to 90 or less.
Medium Access control: default accounts are renamed or locked
  The accounts games, ftp and lp are present with a shell.
  Lock them or remove their shell.
Medium Audit: records are kept for six months
  Logs rotate after four weeks and are not stored elsewhere.
  Send them to the log service with a retention of at least 180 days.
Low Intrusion prevention: only needed services run
  Services without a purpose on a node are enabled, such as cups or avahi-daemon.
  Disable and mask them.
Low Data: leftover information is removed
  HISTSIZE keeps thousands of commands of each user.
  Set HISTSIZE to 5 or less for shared accounts.
`;

export const knownBaselines: readonly KnownBaseline[] = [
  {
    name: 'CIS Kubernetes Benchmark: worker nodes',
    type: 'Kubernetes-Node',
    standard: 'cis_standard',
    description: 'How the kubelet is configured and who may change it.',
    rules: 24,
    items: itemsOf(kubernetesNode),
  },
  {
    name: 'CIS Kubernetes Benchmark: policies',
    type: 'Kubernetes-Policy',
    standard: 'cis_standard',
    description: 'Roles, pod security, network policies and secrets.',
    rules: 35,
    items: itemsOf(kubernetesPolicies),
  },
  {
    name: 'CIS Docker Benchmark',
    type: 'Docker',
    standard: 'cis_standard',
    description: 'The container engine, its images and how containers are started.',
    rules: 117,
    items: itemsOf(docker),
  },
  {
    name: 'Cloud security practice: container nodes',
    type: 'HCE',
    standard: 'hw_standard',
    description: 'Recommended settings for nodes of a CCE cluster.',
    rules: 42,
    items: itemsOf(cloudPractice),
  },
  {
    name: 'Common weak passwords',
    type: 'Password',
    standard: 'hw_standard',
    description: 'Passwords of accounts and services that are easily guessed.',
    rules: 5,
    items: itemsOf(weakPasswords),
  },
  {
    name: 'DJCP MLPS level 3: Linux',
    type: 'Linux',
    standard: 'cn_standard',
    description: 'Multi-level protection scheme, level 3: computing environment.',
    rules: 31,
    items: itemsOf(classifiedProtection),
  },
];

function itemsOf(text: string): WireBaselineItem[] {
  return parseRecords(text).map(({ head, lines }) => {
    const [, severity, title] = /^(High|Medium|Low) (.+)$/.exec(head) ?? [];
    const [description, remediation, ...rest] = lines;
    if (!severity || !title || !description || !remediation || rest.length > 0) {
      throw new Error(`baseline catalog: ${head}`);
    }
    return {
      severity: severity as Level,
      check_item: title,
      check_description: description,
      check_remediation: remediation,
    };
  });
}
