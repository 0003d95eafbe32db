dnl blackmilter(8): refuse clients by address.  To be included in sendmail.mc
dnl in front of the MAILER() lines and first of the filters: what it refuses,
dnl no other filter has to look at.
dnl The socket is the one that the init script and the systemd unit open.
dnl F= is left empty: while the daemon is down, mail passes unjudged.  F=T asks
dnl clients to come back instead.
INPUT_MAIL_FILTER(`blackmilter', `S=unix:/run/blackmilter/blackmilter.sock, F=, T=C:5s;S:10s;R:10s;E:1m')dnl
