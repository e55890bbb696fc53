def high: . != "Medium" and . != "Low";
def count(rows): [rows] | length;
{
  "high-vulnerabilities": count(.local_image_vul_list[] | select(.severity_level | high)),
  "privileged-containers": count(.privileged_container_list[]),
  "failed-checks": count(.baseline_detection_list[] | select(.failed_rule_num > 5)),
  "high-items": count(.baseline_detection_list[].baseline_item_list[] | select(.severity | high)),
  "open-ssh": count(.port_list[] | select(.port == 22 and .laddr == "0.0.0.0")),
  "old-openssl": count(.app_list[] | select(.app_name == "openssl" and (.app_version | startswith("1.")))),
  "writable-by-all": count(.process_list[] | select(.user_name == "root" and .permission == "rwxrwxrwx")),
  "many-hosts": (if .host_num > 2 then 1 else 0 end)
}
