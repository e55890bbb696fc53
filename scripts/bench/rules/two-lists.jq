{
  "high-vulnerabilities":
    [.local_image_vul_list[] | select(.severity_level != "Medium" and .severity_level != "Low")] | length,
  "privileged-containers": .privileged_container_list | length
}
