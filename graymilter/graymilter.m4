dnl graymilter(8): ask strangers to come back.  To be included in sendmail.mc in
dnl front of the MAILER() lines, behind blackmilter and spfmilter and before
dnl filters that look at content.  sendmail asks in the order of the lines, at
dnl each command: so spfmilter has said at MAIL for which domain the client
dnl speaks when graymilter has to know the client, and the clients that the two
dnl refuse need not be remembered.  A message that is sent away at RCPT or DATA
dnl is never there for the others to scan.
dnl The socket is the one that the init script and the systemd unit open.
dnl F= is left empty: while the daemon is down, mail passes without delay.  F=T
dnl asks all clients to come back instead, those that are known, too.
dnl T= is short: it asks nobody else, and does not wait for its disk.
INPUT_MAIL_FILTER(`graymilter', `S=unix:/run/graymilter/graymilter.sock, F=, T=C:5s;S:10s;R:10s;E:1m')dnl
