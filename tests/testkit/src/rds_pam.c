/* What libpam is to PostgreSQL, with one module: a password is a token that the sandbox judges, as RDS judges it.
 * Preloaded into a server; PostgreSQL itself talks to the client. Nothing of PAM need be set up on the machine, and
 * pam_exec, which could ask the sandbox too, cuts a token after 511 bytes. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* From PAM's interface, which is a standard of The Open Group; the numbers are Linux-PAM's. */
enum { PAM_SUCCESS = 0, PAM_AUTH_ERR = 7, PAM_AUTHINFO_UNAVAIL = 9, PAM_CONV_ERR = 19 };
enum { PAM_PROMPT_ECHO_OFF = 1 };
enum { PAM_CONV = 5 };
struct pam_message { int style; const char *text; };
struct pam_response { char *text; int code; };
struct pam_conv {
  int (*ask)(int, const struct pam_message **, struct pam_response **, void *);
  void *data;
};

/* A server process logs in one user and then serves it, or ends. */
static char user[1024];
static struct pam_conv conversation;

int pam_start(const char *service, const char *name, const struct pam_conv *conv, void **handle) {
  (void)service;
  snprintf(user, sizeof user, "%s", name);
  conversation = *conv;
  *handle = &conversation;
  return PAM_SUCCESS;
}

/* PostgreSQL starts as a user of its own and names the one it means here. */
int pam_set_item(void *handle, int item, const void *value) {
  (void)handle;
  if (item == PAM_CONV) conversation = *(const struct pam_conv *)value;
  if (item == 2 /* PAM_USER */) snprintf(user, sizeof user, "%s", (const char *)value);
  return PAM_SUCCESS;
}

/* RDS_IAM_ASK is an address of the sandbox: 127.0.0.1:4566/_sandbox/rds-logins?… */
static int judge(const char *token) {
  char host[16], path[256], head[512], answer[64] = "";
  unsigned short port;
  const char *address = getenv("RDS_IAM_ASK");
  if (!address || sscanf(address, "%15[^:]:%hu%255s", host, &port, path) != 3) return PAM_AUTHINFO_UNAVAIL;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  int wire = socket(AF_INET, SOCK_STREAM, 0), status = 0;
  inet_pton(AF_INET, host, &to.sin_addr);
  int length = snprintf(head, sizeof head,
      "POST %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n",
      path, host, strlen(user) + 1 + strlen(token));
  if (connect(wire, (struct sockaddr *)&to, sizeof to) == 0 && write(wire, head, length) == length &&
      dprintf(wire, "%s\n%s", user, token) > 0 && read(wire, answer, sizeof answer - 1) > 0)
    sscanf(answer, "HTTP/1.1 %d", &status);
  close(wire);
  return status == 200 ? PAM_SUCCESS : status == 403 ? PAM_AUTH_ERR : PAM_AUTHINFO_UNAVAIL;
}

int pam_authenticate(void *handle, int flags) {
  (void)handle, (void)flags;
  const struct pam_message prompt = {PAM_PROMPT_ECHO_OFF, "Password: "}, *prompts = &prompt;
  struct pam_response *response = NULL;
  if (conversation.ask(1, &prompts, &response, conversation.data) != PAM_SUCCESS || !response) return PAM_CONV_ERR;
  return judge(response->text);
}

int pam_acct_mgmt(void *handle, int flags) { return (void)handle, (void)flags, PAM_SUCCESS; }

int pam_end(void *handle, int status) { return (void)handle, (void)status, PAM_SUCCESS; }

const char *pam_strerror(void *handle, int status) {
  (void)handle;
  return status == PAM_AUTH_ERR ? "Authentication failure" : "the sandbox cannot be asked";
}
