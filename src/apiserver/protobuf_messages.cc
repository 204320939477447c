#include "apiserver/protobuf_messages.h"

#include "base/check.h"
#include "base/strings.h"

namespace caracal::apiserver {
namespace {

// MESSAGE: NAME=NUMBER[*][[]|{}]TYPE ... — "*" keeps zeros, "[]" is a list, "{}" a map of texts to
// TYPE, the name "." an embedded struct. Lines that begin with a space continue the one before.
constexpr std::string_view kMessages = R"(
AWSElasticBlockStoreVolumeSource: volumeID=1*string fsType=2string partition=3int readOnly=4bool
Affinity: nodeAffinity=1*NodeAffinity podAffinity=2*PodAffinity
  podAntiAffinity=3*PodAntiAffinity
AppArmorProfile: type=1*string localhostProfile=2*string
AttachedVolume: name=1*string devicePath=2*string
AzureDiskVolumeSource: diskName=1*string diskURI=2*string cachingMode=3*string fsType=4*string
  readOnly=5*bool kind=6*string
AzureFileVolumeSource: secretName=1*string shareName=2*string readOnly=3bool
Binding: metadata=1ObjectMeta target=2*ObjectReference
CSIVolumeSource: driver=1*string readOnly=2*bool fsType=3*string volumeAttributes=4{}string
  nodePublishSecretRef=5*LocalObjectReference
Capabilities: add=1[]string drop=2[]string
CephFSVolumeSource: monitors=1[]string path=2string user=3string secretFile=4string
  secretRef=5*LocalObjectReference readOnly=6bool
CinderVolumeSource: volumeID=1*string fsType=2string readOnly=3bool
  secretRef=4*LocalObjectReference
ClientIPConfig: timeoutSeconds=1*int
ClusterTrustBundleProjection: name=1*string signerName=2*string labelSelector=3*LabelSelector
  optional=5*bool path=4*string user=6*int
Condition: type=1*string status=2*string observedGeneration=3int lastTransitionTime=4Time
  reason=5*string message=6*string
ConfigMap: metadata=1ObjectMeta immutable=4*bool data=2{}string binaryData=3{}bytes
ConfigMapEnvSource: .=1*LocalObjectReference optional=2*bool
ConfigMapKeySelector: .=1*LocalObjectReference key=2*string optional=3*bool
ConfigMapNodeConfigSource: namespace=1*string name=2*string uid=3string resourceVersion=4string
  kubeletConfigKey=5*string
ConfigMapProjection: .=1*LocalObjectReference items=2[]KeyToPath optional=4*bool
ConfigMapVolumeSource: .=1*LocalObjectReference items=2[]KeyToPath defaultMode=3*int
  optional=4*bool defaultUser=5*int
Container: name=1*string image=2string command=3[]string args=4[]string workingDir=5string
  ports=6[]ContainerPort envFrom=19[]EnvFromSource env=7[]EnvVar resources=8ResourceRequirements
  resizePolicy=23[]ContainerResizePolicy restartPolicy=24*string
  restartPolicyRules=25[]ContainerRestartRule volumeMounts=9[]VolumeMount
  volumeDevices=21[]VolumeDevice livenessProbe=10*Probe readinessProbe=11*Probe
  startupProbe=22*Probe lifecycle=12*Lifecycle terminationMessagePath=13string
  terminationMessagePolicy=20string imagePullPolicy=14string securityContext=15*SecurityContext
  stdin=16bool stdinOnce=17bool tty=18bool
ContainerExtendedResourceRequest: containerName=1*string resourceName=2*string
  requestName=3*string
ContainerImage: names=1[]string sizeBytes=2int
ContainerPort: name=1string hostPort=2int containerPort=3*int protocol=4string hostIP=5string
ContainerResizePolicy: resourceName=1*string restartPolicy=2*string
ContainerRestartRule: action=1string exitCodes=2*ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes: operator=1string values=2[]int
ContainerState: waiting=1*ContainerStateWaiting running=2*ContainerStateRunning
  terminated=3*ContainerStateTerminated
ContainerStateRunning: startedAt=1Time
ContainerStateTerminated: exitCode=1*int signal=2int reason=3string message=4string
  startedAt=5Time finishedAt=6Time containerID=7string
ContainerStateWaiting: reason=1string message=2string
ContainerStatus: name=1*string state=2ContainerState lastState=3ContainerState ready=4*bool
  restartCount=5*int image=6*string imageID=7*string containerID=8string started=9*bool
  allocatedResources=10{}Quantity resources=11*ResourceRequirements
  volumeMounts=12[]VolumeMountStatus user=13*ContainerUser
  allocatedResourcesStatus=14[]ResourceStatus stopSignal=15*string
ContainerUser: linux=1*LinuxContainerUser
DaemonEndpoint: Port=1*int
DeleteOptions: gracePeriodSeconds=1*int preconditions=2*Preconditions orphanDependents=3*bool
  propagationPolicy=4*string dryRun=5[]string
  ignoreStoreReadErrorWithClusterBreakingPotential=6*bool
DownwardAPIProjection: items=1[]DownwardAPIVolumeFile
DownwardAPIVolumeFile: path=1*string fieldRef=2*ObjectFieldSelector
  resourceFieldRef=3*ResourceFieldSelector mode=4*int user=5*int
DownwardAPIVolumeSource: items=1[]DownwardAPIVolumeFile defaultMode=2*int defaultUser=3*int
EmptyDirVolumeSource: medium=1string sizeLimit=2*Quantity mode=3*int
Endpoint: addresses=1[]string conditions=2EndpointConditions hostname=3*string
  targetRef=4*ObjectReference deprecatedTopology=5{}string nodeName=6*string zone=7*string
  hints=8*EndpointHints
EndpointAddress: ip=1*string hostname=3string nodeName=4*string targetRef=2*ObjectReference
EndpointConditions: ready=1*bool serving=2*bool terminating=3*bool
EndpointHints: forZones=1[]ForZone forNodes=2[]ForNode
EndpointPort: name=1string port=2*int protocol=3string appProtocol=4*string
EndpointSlice: metadata=1ObjectMeta addressType=4*string endpoints=2[]Endpoint
  ports=3[]EndpointPort
EndpointSubset: addresses=1[]EndpointAddress notReadyAddresses=2[]EndpointAddress
  ports=3[]EndpointPort
Endpoints: metadata=1ObjectMeta subsets=2[]EndpointSubset
EnvFromSource: prefix=1string configMapRef=2*ConfigMapEnvSource secretRef=3*SecretEnvSource
EnvVar: name=1*string value=2string valueFrom=3*EnvVarSource
EnvVarSource: fieldRef=1*ObjectFieldSelector resourceFieldRef=2*ResourceFieldSelector
  configMapKeyRef=3*ConfigMapKeySelector secretKeyRef=4*SecretKeySelector
  fileKeyRef=5*FileKeySelector
EphemeralContainer: .=1*EphemeralContainerCommon targetContainerName=2string
EphemeralContainerCommon: name=1*string image=2string command=3[]string args=4[]string
  workingDir=5string ports=6[]ContainerPort envFrom=19[]EnvFromSource env=7[]EnvVar
  resources=8ResourceRequirements resizePolicy=23[]ContainerResizePolicy restartPolicy=24*string
  restartPolicyRules=25[]ContainerRestartRule volumeMounts=9[]VolumeMount
  volumeDevices=21[]VolumeDevice livenessProbe=10*Probe readinessProbe=11*Probe
  startupProbe=22*Probe lifecycle=12*Lifecycle terminationMessagePath=13string
  terminationMessagePolicy=20string imagePullPolicy=14string securityContext=15*SecurityContext
  stdin=16bool stdinOnce=17bool tty=18bool
EphemeralVolumeSource: volumeClaimTemplate=1*PersistentVolumeClaimTemplate
Event: metadata=1*ObjectMeta involvedObject=2*ObjectReference reason=3string message=4string
  source=5EventSource firstTimestamp=6Time lastTimestamp=7Time count=8int type=9string
  eventTime=10MicroTime series=11*EventSeries action=12string related=13*ObjectReference
  reportingComponent=14*string reportingInstance=15*string
EventSeries: count=1int lastObservedTime=2MicroTime
EventSource: component=1string host=2string
EvictionResponder: name=1*string priority=2*int
ExecAction: command=1[]string
FCVolumeSource: targetWWNs=1[]string lun=2*int fsType=3string readOnly=4bool wwids=5[]string
FieldSelectorAttributes: rawSelector=1string requirements=2[]FieldSelectorRequirement
FieldSelectorRequirement: key=1*string operator=2*string values=3[]string
FileKeySelector: volumeName=1*string path=2*string key=3*string optional=4*bool
FlexVolumeSource: driver=1*string fsType=2string secretRef=3*LocalObjectReference readOnly=4bool
  options=5{}string
FlockerVolumeSource: datasetName=1string datasetUUID=2string
ForNode: name=1*string
ForZone: name=1*string
GCEPersistentDiskVolumeSource: pdName=1*string fsType=2string partition=3int readOnly=4bool
GRPCAction: port=1*int service=2*string mode=3*string
GitRepoVolumeSource: repository=1*string revision=2string directory=3string
GlusterfsVolumeSource: endpoints=1*string path=2*string readOnly=3bool
HTTPGetAction: path=1string port=2*IntOrString host=3string scheme=4string
  httpHeaders=5[]HTTPHeader protocol=6*string
HTTPHeader: name=1*string value=2*string
HostAlias: ip=1*string hostnames=2[]string
HostIP: ip=1*string
HostPathVolumeSource: path=1*string type=2*string
IPBlock: cidr=1*string except=2[]string
ISCSIVolumeSource: targetPortal=1*string iqn=2*string lun=3*int iscsiInterface=4string
  fsType=5string readOnly=6bool portals=7[]string chapAuthDiscovery=8bool chapAuthSession=11bool
  secretRef=10*LocalObjectReference initiatorName=12*string
ImageVolumeSource: reference=1string pullPolicy=2string
ImageVolumeStatus: imageRef=1string
KeyToPath: key=1*string path=2*string mode=3*int user=4*int
LabelSelector: matchLabels=1{}string matchExpressions=2[]LabelSelectorRequirement
LabelSelectorAttributes: rawSelector=1string requirements=2[]LabelSelectorRequirement
LabelSelectorRequirement: key=1*string operator=2*string values=3[]string
Lease: metadata=1ObjectMeta spec=2LeaseSpec
LeaseSpec: holderIdentity=1*string leaseDurationSeconds=2*int acquireTime=3*MicroTime
  renewTime=4*MicroTime leaseTransitions=5*int strategy=6*string preferredHolder=7*string
Lifecycle: postStart=1*LifecycleHandler preStop=2*LifecycleHandler stopSignal=3*string
LifecycleHandler: exec=1*ExecAction httpGet=2*HTTPGetAction tcpSocket=3*TCPSocketAction
  sleep=4*SleepAction
LinuxContainerUser: uid=1*int gid=2*int supplementalGroups=3[]int
LoadBalancerIngress: ip=1string hostname=2string ipMode=3*string ports=4[]PortStatus
LoadBalancerStatus: ingress=1[]LoadBalancerIngress
LocalObjectReference: name=1string
NFSVolumeSource: server=1*string path=2*string readOnly=3bool
Namespace: metadata=1ObjectMeta spec=2NamespaceSpec status=3NamespaceStatus
NamespaceCondition: type=1*string status=2*string lastTransitionTime=4Time reason=5string
  message=6string
NamespaceSpec: finalizers=1[]string
NamespaceStatus: phase=1string conditions=2[]NamespaceCondition
NetworkPolicy: metadata=1ObjectMeta spec=2NetworkPolicySpec
NetworkPolicyEgressRule: ports=1[]NetworkPolicyPort to=2[]NetworkPolicyPeer
NetworkPolicyIngressRule: ports=1[]NetworkPolicyPort from=2[]NetworkPolicyPeer
NetworkPolicyPeer: podSelector=1*LabelSelector namespaceSelector=2*LabelSelector
  ipBlock=3*IPBlock
NetworkPolicyPort: protocol=1*string port=2*IntOrString endPort=3*int
NetworkPolicySpec: podSelector=1*LabelSelector ingress=2[]NetworkPolicyIngressRule
  egress=3[]NetworkPolicyEgressRule policyTypes=4[]string
Node: metadata=1ObjectMeta spec=2NodeSpec status=3NodeStatus
NodeAddress: type=1*string address=2*string
NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution=1*NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution=2[]PreferredSchedulingTerm
NodeAllocatableMappedResources: name=1*string quantity=2*Quantity
NodeAllocatableOverheadResources: name=1*string perPod=2*Quantity perContainer=3*Quantity
NodeAllocatableResourceClaimStatus: resourceClaimName=1*string containers=2[]string
  mapping=4[]NodeAllocatableMappedResources overhead=5[]NodeAllocatableOverheadResources
NodeCondition: type=1*string status=2*string lastHeartbeatTime=3Time lastTransitionTime=4Time
  reason=5string message=6string
NodeConfigSource: configMap=2*ConfigMapNodeConfigSource
NodeConfigStatus: assigned=1*NodeConfigSource active=2*NodeConfigSource
  lastKnownGood=3*NodeConfigSource error=4string
NodeDaemonEndpoints: kubeletEndpoint=1DaemonEndpoint
NodeFeatures: supplementalGroupsPolicy=1*bool
NodePodPreemptionPolicy: disableResizePreemption=1[]string
NodeRuntimeHandler: name=1*string features=2*NodeRuntimeHandlerFeatures
NodeRuntimeHandlerFeatures: recursiveReadOnlyMounts=1*bool userNamespaces=2*bool
NodeSelector: nodeSelectorTerms=1[]NodeSelectorTerm
NodeSelectorRequirement: key=1*string operator=2*string values=3[]string
NodeSelectorTerm: matchExpressions=1[]NodeSelectorRequirement
  matchFields=2[]NodeSelectorRequirement
NodeSpec: podCIDR=1string podCIDRs=7[]string providerID=3string unschedulable=4bool
  taints=5[]Taint configSource=6*NodeConfigSource externalID=2string
  podPreemptionPolicy=8*NodePodPreemptionPolicy
NodeStatus: capacity=1{}Quantity allocatable=2{}Quantity phase=3string
  conditions=4[]NodeCondition addresses=5[]NodeAddress daemonEndpoints=6NodeDaemonEndpoints
  nodeInfo=7NodeSystemInfo images=8[]ContainerImage volumesInUse=9[]string
  volumesAttached=10[]AttachedVolume config=11*NodeConfigStatus
  runtimeHandlers=12[]NodeRuntimeHandler features=13*NodeFeatures declaredFeatures=14[]string
NodeSwapStatus: capacity=1*int
NodeSystemInfo: machineID=1*string systemUUID=2*string bootID=3*string kernelVersion=4*string
  osImage=5*string containerRuntimeVersion=6*string kubeletVersion=7*string
  kubeProxyVersion=8*string operatingSystem=9*string architecture=10*string
  swap=11*NodeSwapStatus
NonResourceAttributes: path=1string verb=2string
ObjectFieldSelector: apiVersion=1string fieldPath=2*string
ObjectMeta: name=1string generateName=2string namespace=3string selfLink=4string uid=5string
  resourceVersion=6string generation=7int creationTimestamp=8Time deletionTimestamp=9*Time
  deletionGracePeriodSeconds=10*int labels=11{}string annotations=12{}string
  ownerReferences=13[]OwnerReference finalizers=14[]string
ObjectReference: kind=1string namespace=2string name=3string uid=4string apiVersion=5string
  resourceVersion=6string fieldPath=7string
OwnerReference: apiVersion=5*string kind=1*string name=3*string uid=4*string controller=6*bool
  blockOwnerDeletion=7*bool
PersistentVolumeClaimSpec: accessModes=1[]string selector=4*LabelSelector
  resources=2VolumeResourceRequirements volumeName=3string storageClassName=5*string
  volumeMode=6*string dataSource=7*TypedLocalObjectReference
  dataSourceRef=8*TypedObjectReference volumeAttributesClassName=9*string
PersistentVolumeClaimTemplate: metadata=1ObjectMeta spec=2*PersistentVolumeClaimSpec
PersistentVolumeClaimVolumeSource: claimName=1*string readOnly=2bool
PhotonPersistentDiskVolumeSource: pdID=1*string fsType=2string
Pod: metadata=1ObjectMeta spec=2PodSpec status=3PodStatus
PodAffinity: requiredDuringSchedulingIgnoredDuringExecution=1[]PodAffinityTerm
  preferredDuringSchedulingIgnoredDuringExecution=2[]WeightedPodAffinityTerm
PodAffinityTerm: labelSelector=1*LabelSelector namespaces=2[]string topologyKey=3*string
  namespaceSelector=4*LabelSelector matchLabelKeys=5[]string mismatchLabelKeys=6[]string
PodAntiAffinity: requiredDuringSchedulingIgnoredDuringExecution=1[]PodAffinityTerm
  preferredDuringSchedulingIgnoredDuringExecution=2[]WeightedPodAffinityTerm
PodCertificateProjection: signerName=1string keyType=2string maxExpirationSeconds=3*int
  credentialBundlePath=4string keyPath=5string certificateChainPath=6string
  userAnnotations=7{}string user=8*int
PodCondition: type=1*string observedGeneration=7int status=2*string lastProbeTime=3Time
  lastTransitionTime=4Time reason=5string message=6string
PodDNSConfig: nameservers=1[]string searches=2[]string options=3[]PodDNSConfigOption
PodDNSConfigOption: name=1string value=2*string
PodExtendedResourceClaimStatus: requestMappings=1[]ContainerExtendedResourceRequest
  resourceClaimName=2*string
PodIP: ip=1*string
PodOS: name=1*string
PodReadinessGate: conditionType=1*string
PodResourceClaim: name=1*string resourceClaimName=3*string resourceClaimTemplateName=4*string
PodResourceClaimStatus: name=1*string resourceClaimName=2*string
PodSchedulingGate: name=1*string
PodSchedulingGroup: podGroupName=1*string
PodSecurityContext: seLinuxOptions=1*SELinuxOptions
  windowsOptions=8*WindowsSecurityContextOptions runAsUser=2*int runAsGroup=6*int
  runAsNonRoot=3*bool supplementalGroups=4[]int supplementalGroupsPolicy=12*string fsGroup=5*int
  sysctls=7[]Sysctl fsGroupChangePolicy=9*string seccompProfile=10*SeccompProfile
  appArmorProfile=11*AppArmorProfile seLinuxChangePolicy=13*string
PodSpec: volumes=1[]Volume initContainers=20[]Container containers=2[]Container
  ephemeralContainers=34[]EphemeralContainer restartPolicy=3string
  terminationGracePeriodSeconds=4*int activeDeadlineSeconds=5*int dnsPolicy=6string
  nodeSelector=7{}string serviceAccountName=8string serviceAccount=9string
  automountServiceAccountToken=21*bool nodeName=10string hostNetwork=11bool hostPID=12bool
  hostIPC=13bool shareProcessNamespace=27*bool securityContext=14*PodSecurityContext
  imagePullSecrets=15[]LocalObjectReference hostname=16string subdomain=17string
  affinity=18*Affinity schedulerName=19string tolerations=22[]Toleration
  hostAliases=23[]HostAlias priorityClassName=24string priority=25*int dnsConfig=26*PodDNSConfig
  readinessGates=28[]PodReadinessGate runtimeClassName=29*string enableServiceLinks=30*bool
  preemptionPolicy=31*string overhead=32{}Quantity
  topologySpreadConstraints=33[]TopologySpreadConstraint setHostnameAsFQDN=35*bool os=36*PodOS
  hostUsers=37*bool schedulingGates=38[]PodSchedulingGate resourceClaims=39[]PodResourceClaim
  resources=40*ResourceRequirements hostnameOverride=41*string
  schedulingGroup=43*PodSchedulingGroup evictionResponders=44[]EvictionResponder
PodStatus: observedGeneration=17int phase=1string conditions=2[]PodCondition message=3string
  reason=4string nominatedNodeName=11string hostIP=5string hostIPs=16[]HostIP podIP=6string
  podIPs=12[]PodIP startTime=7*Time initContainerStatuses=10[]ContainerStatus
  containerStatuses=8[]ContainerStatus qosClass=9string
  ephemeralContainerStatuses=13[]ContainerStatus resize=14string
  resourceClaimStatuses=15[]PodResourceClaimStatus
  extendedResourceClaimStatus=18*PodExtendedResourceClaimStatus allocatedResources=19{}Quantity
  resources=20*ResourceRequirements
  nodeAllocatableResourceClaimStatuses=21[]NodeAllocatableResourceClaimStatus
  volumeHealth=22[]PodVolumeHealth
PodVolumeHealth: name=1*string healthConditions=2[]VolumeHealthCondition
  lastTransitionTime=3Time
PortStatus: port=1*int protocol=2*string error=3*string
PortworxVolumeSource: volumeID=1*string fsType=2string readOnly=3bool
Preconditions: uid=1*string resourceVersion=2*string
PreferredSchedulingTerm: weight=1*int preference=2*NodeSelectorTerm
Probe: .=1*ProbeHandler initialDelaySeconds=2int timeoutSeconds=3int periodSeconds=4int
  successThreshold=5int failureThreshold=6int terminationGracePeriodSeconds=7*int
ProbeHandler: exec=1*ExecAction httpGet=2*HTTPGetAction tcpSocket=3*TCPSocketAction
  grpc=4*GRPCAction
ProjectedVolumeSource: sources=1[]VolumeProjection defaultMode=2*int defaultUser=3*int
QuobyteVolumeSource: registry=1*string volume=2*string readOnly=3bool user=4string group=5string
  tenant=6string
RBDVolumeSource: monitors=1[]string image=2*string fsType=3string pool=4string user=5string
  keyring=6string secretRef=7*LocalObjectReference readOnly=8bool
ResourceAttributes: namespace=1string verb=2string group=3string version=4string
  resource=5string subresource=6string name=7string fieldSelector=8*FieldSelectorAttributes
  labelSelector=9*LabelSelectorAttributes
ResourceClaim: name=1*string request=2string
ResourceFieldSelector: containerName=1string resource=2*string divisor=3Quantity
ResourceHealth: resourceID=1*string health=2string message=6*string
ResourceRequirements: limits=1{}Quantity requests=2{}Quantity claims=3[]ResourceClaim
ResourceStatus: name=1*string resources=2[]ResourceHealth
SELinuxOptions: user=1string role=2string type=3string level=4string
ScaleIOVolumeSource: gateway=1*string system=2*string secretRef=3*LocalObjectReference
  sslEnabled=4bool protectionDomain=5string storagePool=6string storageMode=7string
  volumeName=8string fsType=9string readOnly=10bool
SeccompProfile: type=1*string localhostProfile=2*string
Secret: metadata=1ObjectMeta immutable=5*bool data=2{}bytes stringData=4{}string type=3string
SecretEnvSource: .=1*LocalObjectReference optional=2*bool
SecretKeySelector: .=1*LocalObjectReference key=2*string optional=3*bool
SecretProjection: .=1*LocalObjectReference items=2[]KeyToPath optional=4*bool
SecretVolumeSource: secretName=1string items=2[]KeyToPath defaultMode=3*int optional=4*bool
  defaultUser=5*int
SecurityContext: capabilities=1*Capabilities privileged=2*bool seLinuxOptions=3*SELinuxOptions
  windowsOptions=10*WindowsSecurityContextOptions runAsUser=4*int runAsGroup=8*int
  runAsNonRoot=5*bool readOnlyRootFilesystem=6*bool allowPrivilegeEscalation=7*bool
  procMount=9*string seccompProfile=11*SeccompProfile appArmorProfile=12*AppArmorProfile
SelfSubjectAccessReview: metadata=1ObjectMeta spec=2*SelfSubjectAccessReviewSpec
  status=3SubjectAccessReviewStatus
SelfSubjectAccessReviewSpec: resourceAttributes=1*ResourceAttributes
  nonResourceAttributes=2*NonResourceAttributes
Service: metadata=1ObjectMeta spec=2ServiceSpec status=3ServiceStatus
ServiceAccount: metadata=1ObjectMeta secrets=2[]ObjectReference
  imagePullSecrets=3[]LocalObjectReference automountServiceAccountToken=4*bool
ServiceAccountTokenProjection: audience=1string expirationSeconds=2*int path=3*string user=4*int
ServicePort: name=1string protocol=2string appProtocol=6*string port=3*int
  targetPort=4IntOrString nodePort=5int
ServiceSpec: ports=1[]ServicePort selector=2{}string clusterIP=3string clusterIPs=18[]string
  type=4string externalIPs=5[]string sessionAffinity=7string loadBalancerIP=8string
  loadBalancerSourceRanges=9[]string externalName=10string externalTrafficPolicy=11string
  healthCheckNodePort=12int publishNotReadyAddresses=13bool
  sessionAffinityConfig=14*SessionAffinityConfig ipFamilies=19[]string ipFamilyPolicy=17*string
  allocateLoadBalancerNodePorts=20*bool loadBalancerClass=21*string
  internalTrafficPolicy=22*string trafficDistribution=23*string
ServiceStatus: loadBalancer=1LoadBalancerStatus conditions=2[]Condition
SessionAffinityConfig: clientIP=1*ClientIPConfig
SleepAction: seconds=1*int
StorageOSVolumeSource: volumeName=1string volumeNamespace=2string fsType=3string readOnly=4bool
  secretRef=5*LocalObjectReference
SubjectAccessReviewStatus: allowed=1*bool denied=4bool reason=2string evaluationError=3string
Sysctl: name=1*string value=2*string
TCPSocketAction: port=1*IntOrString host=2string
Taint: key=1*string value=2string effect=3*string timeAdded=4*Time
Toleration: key=1string operator=2string value=3string effect=4string tolerationSeconds=5*int
TopologySpreadConstraint: maxSkew=1*int topologyKey=2*string whenUnsatisfiable=3*string
  labelSelector=4*LabelSelector minDomains=5*int nodeAffinityPolicy=6*string
  nodeTaintsPolicy=7*string matchLabelKeys=8[]string
TypedLocalObjectReference: apiGroup=1*string kind=2*string name=3*string
TypedObjectReference: apiGroup=1*string kind=2*string name=3*string namespace=4*string
Volume: name=1*string .=2*VolumeSource
VolumeDevice: name=1*string devicePath=2*string
VolumeHealthCondition: status=1*string reason=2*string message=3string
VolumeMount: name=1*string readOnly=2bool recursiveReadOnly=7*string mountPath=3*string
  subPath=4string mountPropagation=5*string subPathExpr=6string bindMountOptions=8[]string
VolumeMountStatus: name=1*string mountPath=2*string readOnly=3bool recursiveReadOnly=4*string
  volumeStatus=5*VolumeStatus
VolumeProjection: secret=1*SecretProjection downwardAPI=2*DownwardAPIProjection
  configMap=3*ConfigMapProjection serviceAccountToken=4*ServiceAccountTokenProjection
  clusterTrustBundle=5*ClusterTrustBundleProjection podCertificate=6*PodCertificateProjection
VolumeResourceRequirements: limits=1{}Quantity requests=2{}Quantity
VolumeSource: hostPath=1*HostPathVolumeSource emptyDir=2*EmptyDirVolumeSource
  gcePersistentDisk=3*GCEPersistentDiskVolumeSource
  awsElasticBlockStore=4*AWSElasticBlockStoreVolumeSource gitRepo=5*GitRepoVolumeSource
  secret=6*SecretVolumeSource nfs=7*NFSVolumeSource iscsi=8*ISCSIVolumeSource
  glusterfs=9*GlusterfsVolumeSource persistentVolumeClaim=10*PersistentVolumeClaimVolumeSource
  rbd=11*RBDVolumeSource flexVolume=12*FlexVolumeSource cinder=13*CinderVolumeSource
  cephfs=14*CephFSVolumeSource flocker=15*FlockerVolumeSource
  downwardAPI=16*DownwardAPIVolumeSource fc=17*FCVolumeSource azureFile=18*AzureFileVolumeSource
  configMap=19*ConfigMapVolumeSource vsphereVolume=20*VsphereVirtualDiskVolumeSource
  quobyte=21*QuobyteVolumeSource azureDisk=22*AzureDiskVolumeSource
  photonPersistentDisk=23*PhotonPersistentDiskVolumeSource projected=26*ProjectedVolumeSource
  portworxVolume=24*PortworxVolumeSource scaleIO=25*ScaleIOVolumeSource
  storageos=27*StorageOSVolumeSource csi=28*CSIVolumeSource ephemeral=29*EphemeralVolumeSource
  image=30*ImageVolumeSource
VolumeStatus: image=1*ImageVolumeStatus
VsphereVirtualDiskVolumeSource: volumePath=1*string fsType=2string storagePolicyName=3string
  storagePolicyID=4string
WeightedPodAffinityTerm: weight=1*int podAffinityTerm=2*PodAffinityTerm
WindowsSecurityContextOptions: gmsaCredentialSpecName=1*string gmsaCredentialSpec=2*string
  runAsUserName=3*string hostProcess=4*bool
)";

ProtobufField parse_field(std::string_view name, std::string_view type) {
  ProtobufField field;
  if (name != ".") field.name = name;
  if (type.starts_with('*')) {
    field.keeps_zero = true;
    type.remove_prefix(1);
  }
  if (type.starts_with("{}")) {
    field.map = true;
    type.remove_prefix(2);
  } else if (type.starts_with("[]")) {
    field.repeated = true;
    type.remove_prefix(2);
  }
  static const std::map<std::string_view, ProtobufType> kTypes = {
      {"string", ProtobufType::kString},     {"bool", ProtobufType::kBool},
      {"int", ProtobufType::kInt},           {"bytes", ProtobufType::kBytes},
      {"Time", ProtobufType::kTime},         {"MicroTime", ProtobufType::kMicroTime},
      {"Quantity", ProtobufType::kQuantity}, {"IntOrString", ProtobufType::kIntOrString}};
  const auto known = kTypes.find(type);
  if (known != kTypes.end()) {
    field.type = known->second;
  } else {
    field.type = ProtobufType::kMessage;
    field.message = type;
  }
  return field;
}

std::map<std::string, ProtobufMessage, std::less<>> parse_messages() {
  std::map<std::string, ProtobufMessage, std::less<>> messages;
  ProtobufMessage* current = nullptr;
  for (std::string_view line : split(kMessages, '\n')) {
    if (trim(line).empty()) continue;
    if (!line.starts_with(' ')) {
      const size_t colon = line.find(':');
      current = &messages[std::string(line.substr(0, colon))];
      line.remove_prefix(colon + 1);
    }
    for (const std::string_view entry : split(trim(line), ' ')) {
      if (entry.empty()) continue;
      const size_t equals = entry.find('=');
      size_t end = equals + 1;
      while (end < entry.size() && entry[end] >= '0' && entry[end] <= '9') ++end;
      const auto number = parse_decimal(entry.substr(equals + 1, end - equals - 1), 1u << 29);
      CARACAL_CHECK(number.has_value() && current != nullptr);
      (*current)[static_cast<uint32_t>(*number)] =
          parse_field(entry.substr(0, equals), entry.substr(end));
    }
  }
  return messages;
}

}  // namespace

const ProtobufMessage* protobuf_message(std::string_view name) {
  static const auto messages = parse_messages();
  const auto found = messages.find(name);
  return found == messages.end() ? nullptr : &found->second;
}

}  // namespace caracal::apiserver
